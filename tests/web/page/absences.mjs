// Pages that hear little or nothing for a while: on a train, and asleep in the background.
import assert from "node:assert/strict";
import { train } from "./train.mjs";

const SEED = Number(process.env.PLAZA_SEED || 7);
const SOAK = process.env.PLAZA_SOAK === "1";
const FAULTS = SOAK ? 56 : 6; // the first by hand, then each of five kinds equally often
const NOTIFICATIONS = SOAK ? 10_000 : 700; // a stream keeps 256, a page 600
const COUNTED = 1_000; // the server counts no further

const LOST = [/Failed to load resource: net::/, /ERR_|WebSocket connection/];

const timeline = (page) =>
  page.$$eval(".item .post", (posts) => posts.map((post) => `${post.querySelector(".text").textContent} ${post.querySelector(".act-heart .count").textContent}`));
const comments = (page) => page.$$eval(".comment:not(.pending) .text", (texts) => texts.map(({ textContent }) => textContent));
const notifications = (page) => page.$$eval(".notification", (rows) => rows.map((row) => `${row.className} ${row.querySelector("b").parentElement.firstElementChild.textContent} ${row.textContent.replace(/(now|\d+ min)$/, "")}`));
const numbered = (words) => words.flatMap((word) => Array.from({ length: FAULTS }, (_, n) => `${word} ${n}`));

export async function jitter_on_a_train(stage) {
  stage.allow(...LOST);
  console.error(`the train has seed ${SEED}`);
  const ride = await train(SEED);
  stage.after(() => ride.close());
  const bob = await stage.join("bob_train");
  const ada = await stage.join("ada_train", { proxy: { server: ride.server, bypass: "<-loopback>" }, at: "#/join/bob_train" });
  await ada.click(".profile .primary:text-is('Follow')");
  await ada.waitForSelector(".profile button:text-is('Following')");
  await stage.post(ada, "before the ride");
  const talk = `#/post/${await ada.getAttribute(".post", "data-post")}`;
  const hers = await stage.window({ context: ada.context_, at: talk });
  const his = await stage.window({ context: bob.context_, at: talk });
  await Promise.all([hers, his].map((page) => page.waitForSelector(".write textarea")));
  await bob.goto(`${stage.url}#/`);

  const comment = async (page, text) => {
    await page.fill(".write textarea", text);
    await page.press(".write textarea", "Enter");
  };
  const write = async (n) => {
    await Promise.all([ada.fill("#compose", `ada ${n}`), bob.fill("#compose", `bob ${n}`)]);
    await Promise.all([ada, bob].map((page) => page.click(".compose .primary")));
    await Promise.all([comment(hers, `ada says ${n}`), comment(his, `bob says ${n}`)]);
    await ada.locator(".item .post .act-heart").first().click(); // of the newest post that was sent or heard
    if (n) await his.click(".act-heart"); // an odd number of times: at last he likes it
    await bob.waitForSelector(`.post:not(.pending):has-text('bob ${n}')`);
  };
  await ride.tunnel(async () => {
    await write(0);
    await Promise.all([ada, hers].map((page) => page.waitForSelector(".weather:has-text('You are offline'):has-text('will be sent')")));
  });
  await ride.through(FAULTS - 1, (n) => write(n + 1));
  await bob.goto(`${stage.url}#/@ada_train`);
  await ride.tunnel(async () => {
    await bob.click(".profile .primary:text-is('Follow')");
    await bob.waitForSelector(".profile button:text-is('Following')");
  });

  const fresh = await stage.window({ context: ada.context_ });
  for (const page of [ada, hers, fresh]) {
    await page.waitForSelector(".pending", { state: "detached" });
    await page.waitForSelector(".weather p", { state: "detached" });
  }
  await fresh.waitForSelector(".post");
  const more = (page) => page.evaluate(() => { document.querySelector(".fresh button")?.click(); document.querySelector(".more")?.scrollIntoView(); });
  await stage.until(async () => {
    await Promise.all([ada, hers, fresh].map(more));
    const [live, fetched, said] = await Promise.all([timeline(ada), timeline(fresh), comments(hers)]);
    assert.deepEqual(live.map((each) => each.replace(/ \d*$/, "")).sort(), [...numbered(["ada", "bob"]), "before the ride"].sort(), "each post once");
    assert.deepEqual(said.sort(), numbered(["ada says", "bob says"]).sort(), "each comment once");
    assert.deepEqual(live, fetched, "as a page that was never away");
    assert.equal(await ada.title(), "(3) Plaza", "followed, liked and commented, each once");
  });
  for (const page of [ada, fresh]) await page.click('.bar a[href="#/notifications"]');
  await fresh.waitForSelector(".notification");
  assert.deepEqual(await notifications(ada), await notifications(fresh));
  assert.equal((await notifications(ada)).length, 3);
}

/** Watch what a page costs: the CPU time of its main thread, its longest task, and its nodes and memory after a clean-up. */
async function meter(page, debug) {
  await debug.send("Performance.enable", { timeDomain: "threadTicks" }); // unlike time, CPU time is the same on a busy machine
  const read = async () => Object.fromEntries((await debug.send("Performance.getMetrics")).metrics.map(({ name, value }) => [name, value]));
  await page.evaluate(() => {
    globalThis.longest = 0;
    new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => (globalThis.longest = Math.max(globalThis.longest, duration)))).observe({ type: "longtask" });
  });
  const began = (await read()).TaskDuration;
  return async () => {
    await debug.send("HeapProfiler.collectGarbage");
    const { TaskDuration, Nodes, JSHeapUsedSize } = await read();
    const longest_task_ms = await page.evaluate(() => globalThis.longest);
    return { cpu_s: TaskDuration - began, longest_task_ms, nodes: Nodes, heap_mb: JSHeapUsedSize / 1e6 };
  };
}

export async function many_notifications_while_asleep(stage) {
  stage.allow(/status of 503/); // where the store is so busy that marking all as read takes more than one attempt
  const ada = await stage.join("ada_asleep");
  await stage.join("bob_asleep");
  await ada.waitForSelector(".empty");
  const debug = await ada.context_.newCDPSession(ada);
  const cost = await meter(ada, debug);
  await debug.send("Page.setWebLifecycleState", { state: "frozen" });
  await stage.ask("notify", "ada_asleep", "bob_asleep", NOTIFICATIONS);
  const before = Date.now();
  await debug.send("Page.setWebLifecycleState", { state: "active" });
  await ada.waitForFunction((least) => Number(/\d+/.exec(document.title)?.[0]) >= least, Math.min(NOTIFICATIONS, COUNTED));
  const awake_ms = Date.now() - before;
  assert.equal(await ada.textContent(".badge"), "99+");
  await ada.click('.bar a[href="#/notifications"]');
  await ada.waitForSelector(".notification");
  const listed = () => ada.$$eval(".notification", (rows) => rows.map((row) => row.getAttribute("href")));
  const rows = (await listed()).length;
  assert.ok(rows < 600, `${rows} rows`);
  for (let seen = rows; seen < Math.min(NOTIFICATIONS, rows + 60); seen = await ada.locator(".notification").count()) {
    await ada.evaluate(() => document.querySelector(".more")?.scrollIntoView());
    await ada.waitForFunction((many) => document.querySelectorAll(".notification").length > many, seen);
  }
  const links = await listed();
  assert.equal(new Set(links).size, links.length, "each once");
  const found = { awake_ms, rows, ...(await cost()) };
  assert.ok(found.cpu_s < 10 && found.nodes < 40_000 && found.heap_mb < 40, JSON.stringify(found));
  const read = ada.waitForResponse((answer) => answer.url().endsWith("/v1/notifications/read") && answer.ok(), { timeout: SOAK ? 300_000 : 60_000 });
  await ada.click("button:text-is('Mark all as read')");
  await ada.waitForSelector(".badge", { state: "detached" });
  await read;
  await ada.reload();
  await ada.waitForSelector(".notification");
  await ada.waitForSelector(".badge", { state: "detached" });
  assert.equal(await ada.locator(".notification.unread").count(), 0);
  return found;
}
