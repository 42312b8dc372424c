// What goes wrong around the page: it says so, and loses nothing.
import assert from "node:assert/strict";

const LATE = /status of 401/; // a token of 15 seconds may be over before a busy machine has used it
const LOST = [/Failed to load resource/, /ERR_|WebSocket connection/];

export async function offline_and_back(stage) {
  stage.allow(...LOST);
  const ada = await stage.join("ada_off");
  await stage.post(ada, "before the tunnel");
  const bob = await stage.join("bob_off", { at: "#/join/ada_off" });
  await bob.click(".profile .primary:text-is('Follow')");
  await ada.waitForSelector('.badge:text-is("1")');
  await ada.context_.setOffline(true);
  await ada.waitForSelector(".weather:has-text('offline')");
  await ada.fill("#compose", "from the tunnel");
  await ada.click(".compose .primary");
  await ada.click(".post:has-text('before') .act-heart");
  await ada.waitForSelector(".weather:has-text('2 changes wait')");
  await ada.waitForSelector(".post.pending:has-text('from the tunnel')");
  await bob.click(".act-heart");
  await bob.click(".post .text");
  for (const text of ["a", "b", "c"]) {
    await bob.fill(".write textarea", text);
    await bob.press(".write textarea", "Enter");
    await bob.waitForSelector(`.comment:not(.pending) .text:text-is("${text}")`);
  }
  await ada.context_.setOffline(false);
  await ada.waitForSelector(".post:not(.pending):has-text('from the tunnel')");
  await ada.waitForSelector(".weather p", { state: "detached" });
  await ada.waitForSelector(".post:has-text('before') .act-heart .count:text-is('2')");
  await ada.waitForSelector('.badge:text-is("3")'); // followed, liked, and commented three times
  await ada.click('.bar a[href="#/notifications"]');
  await ada.waitForSelector(".notification:has-text('liked your post')");
  assert.equal(await ada.locator(".notification").count(), 3);
  await bob.goto(`${stage.url}#/`);
  await bob.waitForSelector(".post:has-text('from the tunnel')");
  assert.equal(await bob.locator(".post:has-text('from the tunnel')").count(), 1, "sent once");
}

export async function token_expires(stage) {
  stage.allow(LATE);
  await stage.ask("short_tokens", true);
  const ada = await stage.join("ada_token");
  const renewed = ada.waitForResponse((answer) => answer.url().endsWith("/v1/auth/refresh-token") && answer.ok());
  await stage.ask("short_tokens", false);
  await renewed;
  await stage.post(ada, "still here");
  const bob = await stage.join("bob_token", { at: "#/join/ada_token" });
  await bob.click(".act-heart");
  await ada.waitForSelector('.badge:text-is("1")');
}

export async function three_tabs_refresh_at_once(stage) {
  stage.allow(LATE);
  await stage.ask("short_tokens", true);
  const ada = await stage.join("ada_three");
  const tabs = [ada];
  for (let n = 0; n < 2; n++) tabs.push(await stage.window({ context: ada.context_ }));
  for (const tab of tabs) await tab.waitForSelector("nav.bar");
  const renewed = ada.context_.waitForEvent("response", (answer) => answer.url().endsWith("/v1/auth/refresh-token"));
  await stage.ask("short_tokens", false);
  const asked = [];
  for (const tab of tabs) tab.on("request", (request) => request.url().endsWith("/v1/auth/refresh-token") && asked.push(request));
  await renewed;
  for (const tab of tabs) {
    await stage.post(tab, `from tab ${tabs.indexOf(tab)}`);
    await tab.waitForSelector("nav.bar");
  }
  assert.ok(asked.length <= 2, `${asked.length} refreshes for three tabs`);
}

export async function gateway_killed(stage) {
  stage.allow(...LOST);
  const ada = await stage.join("ada_kill");
  await stage.post(ada, "hold on");
  const bob = await stage.join("bob_kill", { at: "#/join/ada_kill" });
  await bob.click(".profile .primary:text-is('Follow')");
  await ada.waitForSelector('.badge:text-is("1")');
  await stage.ask("kill_gateway");
  await bob.click(".act-heart");
  await bob.waitForSelector('.act-heart[aria-pressed="true"]');
  await stage.ask("start_gateway");
  await ada.waitForSelector('.badge:text-is("2")');
  await ada.waitForSelector('.act-heart .count:text-is("1")');
  await bob.click(".act-bookmark");
  await bob.waitForSelector(".weather p", { state: "detached" });
}

const HOSTILE = [
  `<img src=x onerror=document.title="broken">`, `"><script>document.title="broken"</script>`, "javascript:alert(1)",
  "{{7*7}} ${7*7} #{7*7}", "\u202Egnol\u202C \u200B\u200D", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L", "👩‍👩‍👧‍👦🏳️‍🌈 مرحبا ", "a".repeat(400), "'; DROP TABLE posts; --",
];

export async function hostile_text(stage) {
  stage.allow(/status of (422|404)/);
  const ada = await stage.join("ada_hostile");
  for (const text of HOSTILE) {
    await ada.fill("#compose", text);
    await ada.click(".compose .primary");
    await ada.waitForFunction((sent) => [...document.querySelectorAll(".post:not(.pending) .text")].some((each) => each.textContent.normalize() === sent.trim().normalize()) || document.querySelector(".toast.bad"), text);
  }
  await ada.goto(`${stage.url}#/settings`);
  await ada.fill("#field-display_name", "<b>Ada</b> & co");
  await ada.fill("#field-bio", HOSTILE.slice(0, 2).join("\n"));
  await ada.fill("#field-url", "https://example.org/?q=<script>");
  await ada.click("section.part .primary:text-is('Save')");
  await ada.waitForSelector(".field:has(#field-url) .problem");
  await ada.fill("#field-url", "https://example.org/?q=%3Cscript%3E");
  await ada.fill("#field-title", HOSTILE[0].slice(0, 40));
  await ada.click("section.part .primary:text-is('Save')");
  await ada.waitForSelector(".toast:has-text('Saved')");
  await ada.click(".bar a:has-text('Profile')");
  await ada.waitForSelector(".profile h2:has-text('<b>Ada</b> & co')");
  await ada.click(".post:has-text('DROP TABLE') .text");
  for (const text of HOSTILE.slice(0, 3)) {
    await ada.fill(".write textarea", text);
    await ada.press(".write textarea", "Enter");
    await ada.waitForFunction((sent) => [...document.querySelectorAll(".comment:not(.pending) .text")].some((each) => each.textContent === sent), text);
  }
  await ada.goto(`${stage.url}#/search/${encodeURIComponent(HOSTILE[0])}`);
  await ada.waitForSelector("h2:text-is('Posts')");
  await ada.goto(`${stage.url}#/@${encodeURIComponent(HOSTILE[1])}`);
  await ada.waitForSelector(".empty");
  await ada.goto(`${stage.url}#/post/%E0%A4%A`);
  await ada.waitForSelector(".empty");
  assert.match(await ada.title(), /Plaza$/);
  assert.equal(await ada.locator("main script, main b b").count(), 0);
  const wide = await ada.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `the page is ${wide} pixels too wide`);
}

export async function refused_storage_and_wrong_clock(stage) {
  const context = await stage.context({});
  await context.addInitScript(() => {
    const RealDate = Date;
    globalThis.Date = class extends RealDate {
      constructor(...given) {
        super(...(given.length ? given : [RealDate.now() + 3_600_000]));
      }
      static now = () => RealDate.now() + 3_600_000;
    };
    const refuse = () => {
      throw new DOMException("refused", "SecurityError");
    };
    for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(globalThis, name, { get: refuse });
    indexedDB.open = refuse;
  });
  const ada = await stage.join("ada_clock", { context });
  await stage.post(ada, "an hour ahead");
  await ada.waitForSelector(".post time:text-is('now')");
}
