// How the page looks: accessible in light and dark and on a phone, within its budgets, and drawn for the documents.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true };

const MOST_BYTES = 110_000; // of the first visit, compressed
const MOST_CPU_MS = 1_000; // of the tab until its first screen is there
const MOST_REQUESTS = 60;

/** Return what is not accessible; axe comes in by the debugger, as the page's policy lets no foreign script in. */
async function violations(page, where) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  const said = found.violations.map(({ id, nodes }) => `${where}: ${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`);
  return wide > 0 ? [...said, `${where}: ${wide} pixels too wide`] : said;
}

export async function accessible(stage) {
  const door = await stage.window();
  await door.waitForSelector(".hero");
  const found = await violations(door, "the first screen");
  const ada = await stage.join("ada_axe");
  await stage.post(ada, "for everybody, @ada_axe #all");
  const bob = await stage.join("bob_axe", { at: "#/join/ada_axe", colorScheme: "dark", ...PHONE });
  await bob.click(".act-heart");
  await ada.waitForSelector(".badge");
  await bob.goto(`${stage.url}#/@ada_axe`);
  await bob.click(".post .when a");
  await bob.fill(".write textarea", "yes");
  await bob.press(".write textarea", "Enter");
  await bob.waitForSelector(".comment:not(.pending)");
  const post = new URL(bob.url()).hash;
  for (const [at, ready] of [["#/", ".post"], [post, ".comment"], ["#/notifications", ".notification"], ["#/@ada_axe", ".profile"], ["#/search/ada_axe", ".person"], ["#/settings", "section.part .person"]]) {
    for (const [page, how] of [[ada, "light"], [bob, "dark, on a phone"]]) {
      if (page === bob && at === "#/notifications") continue;
      await page.goto(stage.url + at);
      await page.waitForSelector(page === bob && at === "#/" ? "h1" : ready);
      found.push(...(await violations(page, `${at}, ${how}`)));
    }
  }
  assert.deepEqual(found, []);
}

export async function budgets(stage) {
  const context = await stage.context({});
  const page = await context.newPage();
  const debug = await context.newCDPSession(page);
  await debug.send("Performance.enable", { timeDomain: "threadTicks" }); // computing, and no waiting for a processor
  const answers = [];
  page.on("response", (answer) => answers.push(answer));
  await page.goto(stage.url);
  await page.waitForSelector(".hero");
  const { metrics } = await debug.send("Performance.getMetrics");
  const cpu_ms = 1000 * metrics.find(({ name }) => name === "TaskDuration").value;
  const sizes = await Promise.all(answers.map(async (answer) => gzipSync(await answer.body()).length));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  const paint_ms = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime);
  assert.ok(answers.length <= MOST_REQUESTS, `${answers.length} requests`);
  assert.ok(bytes <= MOST_BYTES, `${bytes} bytes`);
  assert.ok(cpu_ms <= MOST_CPU_MS, `${cpu_ms} ms of CPU`);
  assert.deepEqual([...new Set(answers.map((answer) => new URL(answer.url()).origin))], [new URL(stage.url).origin]);

  // The second visit asks for the page and what it says about people, and for no file again.
  const files = answers.length;
  const kept = [];
  await debug.send("Network.enable");
  debug.on("Network.requestServedFromCache", ({ requestId }) => kept.push(requestId));
  await page.reload();
  await page.waitForSelector(".hero");
  assert.ok(kept.length >= files - 3, `${kept.length} of ${files} files came from the cache`);
  return { bytes, requests: files, cpu_ms: Math.round(cpu_ms), paint_ms: Math.round(paint_ms) };
}
