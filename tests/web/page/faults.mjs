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
  await ada.click(".comment .action:text-is('Reply')");
  await ada.fill(".comment .write textarea", HOSTILE[1]);
  await ada.press(".comment .write textarea", "Enter");
  await ada.waitForFunction((sent) => [...document.querySelectorAll(".replies .comment:not(.pending) .text")].some((each) => each.textContent === sent), HOSTILE[1]);
  await ada.click(".post .menu summary");
  await ada.click(".post .menu button:text-is('Edit')");
  await ada.fill(".edit textarea", HOSTILE[0]);
  await ada.click(".edit .primary");
  await ada.waitForFunction((sent) => document.querySelector(".post.whole .text")?.textContent === sent, HOSTILE[0]);
  await ada.goto(`${stage.url}#/`);
  await ada.setInputFiles(".compose input[type=file]", { name: HOSTILE[1].replaceAll("/", ""), mimeType: "image/png", buffer: Buffer.from(await stage.ask("picture"), "base64") });
  await ada.fill('[aria-label="Description of the picture"]', HOSTILE[1]);
  await ada.click(".compose .primary");
  await ada.waitForFunction((sent) => document.querySelector(".post:not(.pending) .pictures img")?.alt === sent, HOSTILE[1]);
  for (const view of ["join", "tag"]) {
    await ada.goto(`${stage.url}#/${view}/${encodeURIComponent(HOSTILE[0])}`);
    await ada.waitForFunction((sent) => document.querySelector("main").textContent.includes(sent), HOSTILE[0]);
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
  const door = await stage.window();
  for (const [name, text] of [["username", HOSTILE[0].slice(0, 30)], ["email", "<b>@example.org"], ["password", HOSTILE[0]]]) await door.fill(`#field-${name}`, text);
  await door.evaluate(() => (document.querySelector("form").noValidate = true));
  await door.click("form button.primary");
  for (const name of ["username", "email"]) await door.waitForSelector(`.field:has(#field-${name}) .problem`);
}

/** A clock that is some hours wrong; `hours` in localStorage changes it for the next load of the page. */
function wrongClock(hours) {
  const RealDate = Date;
  const now = () => RealDate.now() + 3_600_000 * Number(localStorage.getItem("hours") ?? hours);
  globalThis.Date = class extends RealDate {
    constructor(...given) {
      super(...(given.length ? given : [now()]));
    }
    static now = now;
  };
}

/** Whether so many posts are there and none is shown as older than some minutes, which a loaded machine may need. */
function shownAsNew(many) {
  const times = [...document.querySelectorAll(".post time")].map((time) => time.textContent);
  return times.length === many && times.every((time) => /^(now|\d min)$/.test(time));
}

export async function wrong_clocks(stage) {
  const bob = await stage.join("bob_clock");
  for (const [name, hours] of [["ada_behind", -1], ["ada_ahead", 1]]) {
    const context = await stage.context({});
    await context.addInitScript(wrongClock, hours);
    const ada = await stage.join(name, { context });
    await stage.post(ada, "an hour off");
    await ada.waitForFunction(shownAsNew, 1);
    await bob.goto(`${stage.url}#/@${name}`);
    await bob.click(`.profile:has-text("${name}") .primary:text-is('Follow')`);
    await ada.click(".bar a:has(.badge:text-is('1'))");
    await ada.click("button:text-is('Mark all as read')");
    await ada.waitForSelector(".badge", { state: "detached" });
    await ada.evaluate((to) => localStorage.setItem("hours", to), -hours); // put right, and too far
    const renewed = ada.waitForResponse((answer) => answer.url().endsWith("/v1/auth/refresh-token") && answer.ok());
    await ada.reload();
    await renewed;
    await stage.post(ada, "after the jump");
    await ada.waitForFunction(shownAsNew, 2);
  }
}

const LOGIN_LOST = ".weather:has-text('Your login, and what is not sent yet, are lost when this page closes')";
const LOST_WITH_PAGE = ".weather:has-text('storage is full or refused. 1 change waits and will be lost when this page closes')";

/** Write without a connection while nothing can be stored: it says so, and it is sent once. */
async function writtenInMemory(stage, ada, name) {
  await ada.context_.setOffline(true);
  await ada.waitForSelector(".weather:has-text('offline')");
  await ada.fill("#compose", "only in memory");
  await ada.click(".compose .primary");
  await ada.waitForSelector(LOST_WITH_PAGE);
  await ada.context_.setOffline(false);
  await ada.waitForSelector(".post:not(.pending):has-text('only in memory')");
  const bob = await stage.join(`bob_${name}`, { at: `#/join/ada_${name}` });
  await bob.waitForSelector(".post:has-text('only in memory')");
  assert.equal(await bob.locator(".post:has-text('only in memory')").count(), 1, "sent once");
}

export async function full_storage(stage) {
  stage.allow(...LOST);
  const context = await stage.context({});
  await context.addInitScript(() => {
    globalThis.puts = 0;
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function (...words) {
      globalThis.puts++;
      return put.apply(this, words);
    };
  });
  const debug = await context.newCDPSession(await context.newPage());
  const quota = (quotaSize) => debug.send("Storage.overrideQuotaForOrigin", { origin: new URL(stage.url).origin, ...(quotaSize && { quotaSize }) });
  await quota(1); // before the first use: browsers remember for a while how much room there is
  const ada = await stage.join("ada_full", { context });
  await stage.post(ada, "sent all the same");
  await writtenInMemory(stage, ada, "full");
  await ada.waitForSelector(LOGIN_LOST);
  assert.ok((await ada.evaluate(() => globalThis.puts)) < 30, "it asks in a loop");
  await quota(0); // there is room again, which the next write finds: then the login is kept, too
  await ada.click(".act-heart >> nth=0");
  await ada.waitForSelector(".weather p", { state: "detached" });
  await ada.evaluate(() => {
    for (let size = 1 << 22; size; size >>= 1) {
      try {
        for (let at = 0; ; at++) localStorage.setItem(`full ${size} ${at}`, "x".repeat(size));
      } catch {}
    }
  });
  await ada.fill("#compose", "a draft");
  await ada.waitForSelector(".weather:has-text('The text you write is lost when this page closes')");
  await ada.evaluate(() => localStorage.clear());
  await ada.fill("#compose", "another draft");
  await ada.waitForSelector(".weather p", { state: "detached" });
  await ada.reload();
  await ada.waitForSelector("nav.bar");
  assert.equal(await ada.inputValue("#compose"), "another draft");
}

export async function refused_storage(stage) {
  stage.allow(...LOST);
  const context = await stage.context({});
  await context.addInitScript(() => {
    const refuse = () => {
      throw new DOMException("refused", "SecurityError");
    };
    for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(globalThis, name, { get: refuse });
    indexedDB.open = refuse;
  });
  const ada = await stage.join("ada_refused", { context });
  await ada.waitForSelector(LOGIN_LOST);
  await writtenInMemory(stage, ada, "refused");
}
