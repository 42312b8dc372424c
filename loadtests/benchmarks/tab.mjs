// Measures what a tab of the reference page costs while a feed arrives, each minute: heap after a collection, nodes, listeners,
// posts and other items that are drawn, and the processor time and memory of its process. One JSON object a tab and minute.
// `node loadtests/benchmarks/tab.mjs [--url http://localhost:8080] [--feed 60] [--rate 1]`: minutes, and events a second.
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { Person, checkLoopback, join, launch } from "./browser.mjs";

const { values } = parseArgs({ options: { url: { type: "string", default: "http://localhost:8080" }, feed: { type: "string", default: "60" }, rate: { type: "string", default: "1" } } });
const { url } = values;
checkLoopback(url);
const [minutes, rate] = [Number(values.feed), Number(values.rate)];
const run = Math.random().toString(36).slice(2, 8);
const AUTHORS = 20;
const PAGE = 20; // posts of which a reader sees the counts live
const ROUND = 5; // minutes between two rounds through the views

const HABITS = {
  /** Leaves the tab open, and never touches it. */
  idle: async () => {},
  /** Shows what is new each minute. */
  reading: async (page) => {
    await page.evaluate(() => document.querySelector(".fresh button")?.click());
  },
  /** Goes through a post, its author and the notifications as well. */
  walking: async (page, minute) => {
    await page.evaluate(() => document.querySelector(".fresh button")?.click());
    if (minute % ROUND) return;
    await page.click(".item .post .text");
    await page.waitForSelector(".comments");
    await page.goto(`${url}/#/notifications`);
    await page.waitForSelector("#compose", { state: "detached" });
    await page.goto(`${url}/#/search`);
    await page.goto(`${url}/#/`);
    await page.waitForSelector("#compose");
  },
};

/** A tab, and what it costs. */
class Tab {
  constructor(page, habit) {
    Object.assign(this, { page, habit });
  }

  async watch(browser) {
    this.debug = await this.page.context().newCDPSession(this.page);
    this.system = browser;
    await this.debug.send("Performance.enable");
    this.pid = await this.#process();
    return this;
  }

  async measure() {
    await this.debug.send("HeapProfiler.collectGarbage");
    const { JSHeapUsedSize, ProcessTime } = await this.#metrics();
    const { nodes, jsEventListeners } = await this.debug.send("Memory.getDOMCounters");
    const items = await this.page.evaluate(() => document.querySelectorAll(".item").length);
    return { heap_mib: JSHeapUsedSize / 2 ** 20, nodes, listeners: jsEventListeners, items, cpu_s: ProcessTime, rss_mib: await rss(this.pid) };
  }

  async #metrics() {
    const { metrics } = await this.debug.send("Performance.getMetrics");
    return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
  }

  /** Return the id of the renderer that has used as much processor time as this tab says. */
  async #process() {
    await this.page.evaluate(() => {
      for (const end = performance.now() + 300; performance.now() < end; );
    });
    const { ProcessTime } = await this.#metrics();
    const { processInfo } = await this.system.send("SystemInfo.getProcessInfo");
    const apart = ({ cpuTime }) => Math.abs(cpuTime - ProcessTime);
    return processInfo.filter(({ type }) => type === "renderer").sort((one, other) => apart(one) - apart(other))[0].id;
  }
}

async function rss(pid) {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)[1]) / 1024;
}

const any = (list) => list[Math.floor(Math.random() * list.length)];

/** The event that is due: of ten, three are posts, four likes, two comments, and one is a comment on a reader's own post. */
async function event(n, authors, recent, own) {
  const by = authors[n % authors.length];
  const kind = n % 10;
  if ([0, 3, 6].includes(kind)) {
    const { id } = await by.ask("POST", "/v1/posts", { text: `post ${n} of a long feed, which goes on and on` });
    recent.unshift(id);
    recent.splice(PAGE);
  } else if ([1, 4, 7, 9].includes(kind)) await by.ask("PUT", `/v1/posts/${any(recent)}/like`);
  else if (kind === 5) for (const id of own) await any(authors).ask("POST", `/v1/posts/${id}/comments`, { text: `comment ${n} on what you said` });
  else await by.ask("POST", `/v1/posts/${any(recent)}/comments`, { text: `comment ${n}` });
}

const browser = await launch();
const system = await browser.newBrowserCDPSession();
const authors = [];
for (let n = 0; n < AUTHORS; n++) authors.push(await new Person(url, `author${n}_${run}`).register());
const tabs = [];
const own = [];
for (const habit of Object.keys(HABITS)) {
  const page = await join(browser, url, `${habit}_${run}`);
  const reader = await new Person(url, `${habit}_${run}`).login();
  for (const { username } of authors) await reader.ask("PUT", `/v1/users/${username}/follow`);
  own.push((await reader.ask("POST", "/v1/posts", { text: `what ${habit} said` })).id);
  tabs.push(await new Tab(page, habit).watch(system));
}
const recent = [];
let [n, failed] = [0, 0];
const started = performance.now();

async function report(minute) {
  for (const tab of tabs) {
    await HABITS[tab.habit](tab.page, minute).catch((error) => console.error(`${tab.habit}: ${error.message}`));
    const cost = await tab.measure();
    for (const name of ["heap_mib", "cpu_s", "rss_mib"]) cost[name] = Number(cost[name].toFixed(2));
    console.log(JSON.stringify({ minute, tab: tab.habit, events: n, failed, ...cost }));
  }
}

while (recent.length < PAGE) await event(0, [any(authors)], recent, own);
await report(0);
for (let minute = 1; minute <= minutes; minute++) {
  for (const end = n + 60 * rate; n < end; ) {
    const due = started + (n * 1000) / rate;
    await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
    await event(n++, authors, recent, own).catch((error) => (failed++ || console.error(error.message)));
  }
  await report(minute);
}
await browser.close();
