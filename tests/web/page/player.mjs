// Plays scenarios in one Chromium, each in windows of its own; every console error and broken policy fails a scenario.
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import * as absences from "./absences.mjs";
import * as faults from "./faults.mjs";
import * as flows from "./flows.mjs";
import * as looks from "./looks.mjs";
import * as networks from "./networks.mjs";
import * as releases from "./releases.mjs";

const PATIENCE_MS = 90_000; // on a machine that does much else
const scenarios = { ...flows, ...faults, ...absences, ...looks, ...networks, ...releases };
const browser = await chromium.launch({
  executablePath: process.argv[2],
  timeout: PATIENCE_MS,
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"],
});
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const hear = async () => {
  const { value, done } = await lines.next();
  return done ? null : JSON.parse(value);
};

/** Windows of people, and what went wrong in them. */
class Stage {
  constructor(url) {
    this.url = url;
    this.contexts = [];
    this.wrong = [];
    this.allowed = [];
    this.ends = [];
  }

  /** A window on the page; windows of one context share their storage, as tabs do. */
  async window({ context, at = "", ...options } = {}) {
    context ??= await this.context(options);
    const page = await context.newPage();
    page.context_ = context;
    page.on("console", (message) => message.type() === "error" && this.wrong.push(message.text()));
    page.on("pageerror", (error) => this.wrong.push(error.stack ?? error.message));
    await page.goto(this.url + at);
    return page;
  }

  async context(options) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce", ...options });
    context.setDefaultTimeout(PATIENCE_MS);
    await context.addInitScript(() => addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`)));
    this.contexts.push(context);
    return context;
  }

  /** A window of somebody who has just joined. */
  async join(name, options) {
    const page = await this.window(options);
    await page.fill("#field-username", name);
    await page.fill("#field-email", `${name}@example.org`);
    await page.fill("#field-password", "correct horse battery");
    await page.click("form button.primary");
    await page.waitForSelector("nav.bar");
    return page;
  }

  async post(page, text) {
    await page.goto(`${this.url}#/`);
    await page.fill("#compose", text);
    await page.click(".compose .primary");
    await page.waitForSelector(`.post:not(.pending):has-text(${JSON.stringify(text)})`);
  }

  /** Wait until assertions hold; throws the last failure. */
  async until(hold) {
    for (const deadline = Date.now() + PATIENCE_MS; ; ) {
      try {
        return await hold();
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  }

  /** Ask the test for something that only it can do. */
  async ask(name, ...words) {
    say({ ask: name, words });
    return (await hear()).answer;
  }

  /** Console errors that a fault brings with it, such as a lost connection. */
  allow(...patterns) {
    this.allowed.push(...patterns);
  }

  /** Do something when the scenario ends, however it ends. */
  after(act) {
    this.ends.push(act);
  }

  async end() {
    for (const act of this.ends) act();
    for (const context of this.contexts) {
      await context.unrouteAll({ behavior: "ignoreErrors" }); // of an answer that a closing window no longer waits for
      await context.close();
    }
    return this.wrong.filter((text) => !this.allowed.some((pattern) => pattern.test(text)));
  }
}

for (let asked; (asked = await hear()); ) {
  const stage = new Stage(asked.url);
  try {
    const done = (await scenarios[asked.play](stage)) ?? null;
    const wrong = await stage.end();
    say(wrong.length ? { failed: wrong.join("\n") } : { done });
  } catch (error) {
    const seen = await Promise.all(stage.contexts.flatMap((each) => each.pages()).map((page) => page.locator("body").innerText().catch(() => "")));
    await stage.end().catch(() => {});
    say({ failed: [error.stack, ...stage.wrong, ...seen].join("\n--\n") });
  }
}
await browser.close();
