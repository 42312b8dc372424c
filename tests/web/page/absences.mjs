// Pages that hear little or nothing for a while: on a train, and asleep in the background.
import assert from "node:assert/strict";
import { train } from "./train.mjs";

const SEED = Number(process.env.PLAZA_SEED || 7);
const SOAK = process.env.PLAZA_SOAK === "1";
const FAULTS = SOAK ? 60 : 8;
const NOTIFICATIONS = SOAK ? 10_000 : 700; // a stream keeps 256, a page 600
const COUNTED = 1_000; // the server counts no further

/** What a window shows of a timeline: each text with its count of likes. */
const shown = (page) => page.$$eval(".item .post", (posts) => posts.map((post) => `${post.querySelector(".text").textContent} ${post.querySelector(".act-heart .count").textContent}`));

export async function jitter_on_a_train(stage) {
  stage.allow(/Failed to load resource/, /ERR_|WebSocket connection/);
  const ride = await train(SEED);
  stage.after(() => ride.close());
  const ada = await stage.join("ada_train", { proxy: { server: ride.server, bypass: "<-loopback>" } });
  const bob = await stage.join("bob_train", { at: "#/join/ada_train" });
  await bob.click(".profile .primary:text-is('Follow')");
  await ada.waitForSelector('.badge:text-is("1")');
  await ada.goto(`${stage.url}#/@bob_train`);
  await ada.click(".profile .primary:text-is('Follow')");
  await ada.waitForSelector(".profile button:text-is('Following')");
  await ada.goto(`${stage.url}#/`);
  await stage.post(bob, "bob 0");
  await ada.waitForSelector(".post:has-text('bob 0')");

  await ride.ride(FAULTS, async (n) => {
    await ada.fill("#compose", `ada ${n + 1}`);
    await ada.click(".compose .primary");
    await ada.locator(".item .post .act-heart").first().click(); // of her newest post, sent or not
    await bob.fill("#compose", `bob ${n + 1}`);
    await bob.click(".compose .primary");
    await bob.waitForSelector(`.post:not(.pending):has-text('bob ${n + 1}')`);
    await bob.evaluate(() => document.querySelector(".fresh button")?.click());
    const hers = bob.locator(".post:has-text('ada ') .act-heart");
    if (await hers.count()) await hers.first().click();
  });

  await ada.waitForSelector(".post.pending", { state: "detached" });
  await ada.waitForSelector(".weather p", { state: "detached" });
  const written = ["ada", "bob"].flatMap((name) => Array.from({ length: FAULTS }, (_, n) => `${name} ${n + 1}`)).concat("bob 0");
  const fresh = await stage.window({ context: ada.context_ });
  await fresh.waitForSelector(".post");
  const more = (page) => page.evaluate(() => { document.querySelector(".fresh button")?.click(); document.querySelector(".more")?.scrollIntoView(); });
  await stage.until(async () => {
    await Promise.all([more(ada), more(fresh)]);
    const [live, fetched] = [await shown(ada), await shown(fresh)];
    assert.deepEqual(live.map((each) => each.replace(/ \d*$/, "")).sort(), written.sort(), "each post once");
    assert.deepEqual(live, fetched, "as a page that was never away");
    assert.equal(await ada.title(), await fresh.title(), "as many unread notifications");
  });
}

export async function many_notifications_while_asleep(stage) {
  const ada = await stage.join("ada_asleep");
  await stage.join("bob_asleep");
  await ada.waitForSelector(".empty");
  await ada.evaluate(() => {
    globalThis.longest = 0;
    new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => (globalThis.longest = Math.max(globalThis.longest, duration)))).observe({ type: "longtask" });
  });
  const debug = await ada.context_.newCDPSession(ada);
  await debug.send("Page.setWebLifecycleState", { state: "frozen" });
  await stage.ask("notify", "ada_asleep", "bob_asleep", NOTIFICATIONS);
  const before = Date.now();
  await debug.send("Page.setWebLifecycleState", { state: "active" });
  await ada.waitForFunction((least) => Number(/\d+/.exec(document.title)?.[0]) >= least, Math.min(NOTIFICATIONS, COUNTED));
  const awake_ms = Date.now() - before;
  assert.equal(await ada.textContent(".badge"), "99+");
  await ada.click('.bar a[href="#/notifications"]');
  await ada.waitForSelector(".notification");
  const rows = await ada.locator(".notification").count();
  assert.ok(rows < 600, `${rows} rows`);
  for (let seen = rows; seen < Math.min(NOTIFICATIONS, rows + 60); seen = await ada.locator(".notification").count()) {
    await ada.evaluate(() => document.querySelector(".more")?.scrollIntoView());
    await ada.waitForFunction((many) => document.querySelectorAll(".notification").length > many, seen);
  }
  await ada.click("button:text-is('Mark all as read')");
  await ada.waitForSelector(".badge", { state: "detached" });
  await ada.reload();
  await ada.waitForSelector(".notification");
  await ada.waitForSelector(".badge", { state: "detached" });
  return { awake_ms, longest_task_ms: await ada.evaluate(() => globalThis.longest), rows };
}
