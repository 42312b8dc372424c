// Measures the reference page in Chromium against a running system: from a like to its paint in the other window, and what
// a tab costs after a long feed. `node loadtests/benchmarks/page.mjs http://localhost:8080 [likes] [posts]`; loopback only.
import { chromium } from "playwright-core";

const [url = "http://localhost:8080", likes = "200", posts = "300"] = process.argv.slice(2);
if (!["localhost", "127.0.0.1", "[::1]"].includes(new URL(url).hostname)) throw new Error(`${url} is not this machine`);

const run = Math.random().toString(36).slice(2, 8);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });

async function join(name) {
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${url}/`);
  for (const [field, value] of [["username", name], ["email", `${name}@example.org`], ["password", "correct horse battery"]]) await page.fill(`#field-${field}`, value);
  await page.click("form button.primary");
  await page.waitForSelector("nav.bar");
  return page;
}

async function rest(method, path, { token, body } = {}) {
  const headers = { ...(token && { Authorization: `Bearer ${token}` }), "Content-Type": "application/json" };
  const answer = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
}

const at = (sorted, part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
const ms = (value) => `${value.toFixed(0)} ms`;

const ada = await join(`ada_${run}`);
await ada.fill("#compose", "measure me");
await ada.click(".compose .primary");
await ada.click(".post:not(.pending) .text");
await ada.waitForSelector(".comments");
const bob = await join(`bob_${run}`);
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
const token = (await rest("POST", "/v1/auth/login", { body: { username: `ada_${run}`, password: "correct horse battery" } })).access_token;
const authors = [];
for (let n = 0; n < 5; n++) {
  const username = `author${n}_${run}`;
  const { access_token } = await rest("POST", "/v1/auth/register", { body: { username, email: `${username}@example.org`, password: "correct horse battery" } });
  await rest("PUT", `/v1/users/${username}/follow`, { token });
  authors.push(access_token);
}
const debug = await ada.context().newCDPSession(ada);
await debug.send("Performance.enable");
const metrics = async () => {
  await debug.send("HeapProfiler.collectGarbage");
  return Object.fromEntries((await debug.send("Performance.getMetrics")).metrics.map(({ name, value }) => [name, value]));
};
const before = await metrics();
for (let n = 0; n < Number(posts); n++) {
  await rest("POST", "/v1/posts", { token: authors[n % authors.length], body: { text: `post ${n} of a long feed, which goes on and on` } });
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
