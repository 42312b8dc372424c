// Measures the reference page in Chromium against a running system: from a like to its paint in the other window, and what
// a tab costs after a long feed. `node loadtests/benchmarks/page.mjs http://localhost:8080 [likes] [posts]`; loopback only.
import { Person, checkLoopback, join, launch } from "./browser.mjs";

const [url = "http://localhost:8080", likes = "200", posts = "300"] = process.argv.slice(2);
checkLoopback(url);
const run = Math.random().toString(36).slice(2, 8);
const browser = await launch();

const at = (sorted, part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
const ms = (value) => `${value.toFixed(0)} ms`;

const ada = await join(browser, url, `ada_${run}`);
await ada.fill("#compose", "measure me");
await ada.click(".compose .primary");
await ada.click(".post:not(.pending) .text");
await ada.waitForSelector(".comments");
const bob = await join(browser, url, `bob_${run}`);
await bob.goto(`${url}/${new URL(ada.url()).hash}`);
await bob.waitForSelector(".act-heart");

// The time at which a frame with another count was drawn, by the clock that all windows of this machine share.
await ada.evaluate(() => {
  globalThis.painted = [];
  const counts = document.querySelector(".post .actions");
  new MutationObserver(() => requestAnimationFrame(() => setTimeout(() => globalThis.painted.push(performance.timeOrigin + performance.now())))).observe(counts, { childList: true, subtree: true, characterData: true, attributes: true });
});
const delays = [];
for (let n = 0; n < Number(likes); n++) {
  await ada.evaluate(() => (globalThis.painted.length = 0));
  const clicked = await bob.evaluate(() => {
    const now = performance.timeOrigin + performance.now();
    document.querySelector(".act-heart").click();
    return now;
  });
  const painted = await ada.waitForFunction(() => globalThis.painted[0]);
  delays.push((await painted.jsonValue()) - clicked);
}
delays.sort((one, other) => one - other);
console.log(`like → paint in the other window, ${delays.length} likes: p50 ${ms(at(delays, 0.5))}, p99 ${ms(at(delays, 0.99))}`);

// A long feed: several people whom ada follows post, and she shows what is new after each twenty.
await ada.goto(`${url}/#/`);
await ada.waitForSelector("#compose");
const reader = await new Person(url, `ada_${run}`).login();
const authors = [];
for (let n = 0; n < 5; n++) {
  authors.push(await new Person(url, `author${n}_${run}`).register());
  await reader.ask("PUT", `/v1/users/${authors[n].username}/follow`);
}
const debug = await ada.context().newCDPSession(ada);
await debug.send("Performance.enable");
const metrics = async () => {
  await debug.send("HeapProfiler.collectGarbage");
  return Object.fromEntries((await debug.send("Performance.getMetrics")).metrics.map(({ name, value }) => [name, value]));
};
const before = await metrics();
for (let n = 0; n < Number(posts); n++) {
  await authors[n % authors.length].ask("POST", "/v1/posts", { text: `post ${n} of a long feed, which goes on and on` });
  if (n % 20 !== 19) continue;
  await ada.waitForFunction((text) => {
    document.querySelector(".fresh button")?.click();
    return document.querySelector(".item .post .text")?.textContent.startsWith(text);
  }, `post ${n} of`, { timeout: 120_000, polling: 200 });
}
const after = await metrics();
const cpu = (after.TaskDuration - before.TaskDuration) * 1000;
console.log(`a tab after ${posts} posts: ${(after.JSHeapUsedSize / 2 ** 20).toFixed(1)} MiB of heap (${(before.JSHeapUsedSize / 2 ** 20).toFixed(1)} before), ${after.Nodes} nodes, ${(cpu / Number(posts)).toFixed(1)} ms of CPU a post`);
await browser.close();
