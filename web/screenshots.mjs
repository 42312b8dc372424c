// Draws the pictures of the page in docs/images/ from a new `make run`: `node web/screenshots.mjs http://localhost:8080`;
// a second argument names another folder. People join, write and like; loopback only, as it opens accounts.
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const INSTALLED = ["/usr/bin/chromium", "/usr/bin/chromium-headless-shell"]; // the whole browser, where there is one
const [url = "http://localhost:8080", folder = fileURLToPath(new URL("../docs/images", import.meta.url))] = process.argv.slice(2);
if (!["localhost", "127.0.0.1", "[::1]"].includes(new URL(url).hostname)) throw new Error(`${url} is not this machine`);
mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? INSTALLED.find(existsSync), args: ["--no-sandbox"] });
const PHONE = { viewport: { width: 390, height: 800 }, colorScheme: "dark" };

const open = async (options) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  await page.goto(`${url}/`);
  return page;
};
const draw = (page, name) => page.screenshot({ path: join(folder, `${name}.png`) });

async function join_as(username, name, options) {
  const page = await open(options);
  await page.fill("#field-username", username);
  await page.fill("#field-email", `${username}@example.org`);
  await page.fill("#field-password", "correct horse battery");
  await page.click("form button.primary");
  await page.click('.bar a[href="#/settings"]');
  await page.fill("#field-display_name", name);
  await page.click("section.part .primary:text-is('Save')");
  await page.waitForSelector(".toast:has-text('Saved')");
  await page.reload();
  return page;
}

async function post(page, text, picture) {
  await page.goto(`${url}/#/`);
  if (picture) await page.setInputFiles(".compose input[type=file]", { name: "picture.png", mimeType: "image/png", buffer: picture });
  await page.fill("#compose", text);
  await page.click(".compose .primary");
  await page.waitForSelector(`.post:not(.pending):has-text(${JSON.stringify(text.slice(0, 20))})`);
}

/** Paint a harbour at dawn, so that no picture has to be kept here. */
async function harbour(page) {
  const picture = await page.evaluate(() => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 1200, height: 640 });
    const draw = canvas.getContext("2d");
    const sky = draw.createLinearGradient(0, 0, 0, 400);
    [["#2b3a67", 0], ["#8c5e7a", 0.45], ["#f4a261", 0.85], ["#ffd9a0", 1]].forEach(([colour, at]) => sky.addColorStop(at, colour));
    draw.fillStyle = sky;
    draw.fillRect(0, 0, 1200, 400);
    draw.fillStyle = "#fff1cf";
    draw.arc(820, 372, 46, Math.PI, 0);
    draw.fill();
    draw.fillStyle = "#3c3557";
    draw.beginPath();
    for (let x = 0; x <= 1200; x += 8) draw.lineTo(x, 372 - 46 * Math.sin(x / 190) - 22 * Math.sin(x / 61 + 1) - 16 * Math.cos(x / 380));
    draw.lineTo(1200, 400);
    draw.lineTo(0, 400);
    draw.fill();
    const sea = draw.createLinearGradient(0, 400, 0, 640);
    sea.addColorStop(0, "#e39a6b");
    sea.addColorStop(1, "#26355a");
    draw.fillStyle = sea;
    draw.fillRect(0, 400, 1200, 240);
    for (let n = 0; n < 260; n++) {
      const y = 404 + (n * 97) % 236;
      draw.fillStyle = `rgb(255 230 190 / ${0.28 - (y - 404) / 1100})`;
      draw.fillRect(820 + ((n * 61) % 300 - 150) * (0.3 + (y - 404) / 160), y, 26 + (n % 5) * 9, 2);
    }
    return canvas.toDataURL("image/png");
  });
  return Buffer.from(picture.split(",")[1], "base64");
}

const door = await open();
await door.waitForSelector(".hero");
await draw(door, "first-screen");

const mira = await join_as("mira", "Mira Okafor");
const jonas = await join_as("jonas", "Jonas Lindqvist");
const ada = await join_as("ada", "Ada Brandt");
const leo = await join_as("leo", "Leo Marchetti", PHONE);
for (const [page, names] of [[ada, ["mira", "jonas", "leo"]], [mira, ["ada"]], [jonas, ["ada"]], [leo, ["mira", "ada"]]]) {
  for (const name of names) {
    await page.goto(`${url}/#/@${name}`);
    await page.click(".profile .primary");
    await page.waitForSelector(".profile button:text-is('Following')");
  }
}
await post(jonas, "The bakery on the corner opens at five. I know this because I am never asleep. #nightshift");
await post(mira, "First light over the harbour. Nobody here but the gulls and me. #morning", await harbour(mira));
for (const [page, like] of [[jonas, "heart"], [leo, "heart"], [leo, "repost"]]) {
  await page.goto(`${url}/#/@mira`);
  await page.click(`.act-${like}`);
  await page.waitForSelector(`.act-${like}[aria-pressed=true]`);
}
await jonas.click(".post .when a");
await jonas.fill(".write textarea", "Save me a place on the pier.");
await jonas.press(".write textarea", "Enter");
await jonas.waitForSelector(".comment:not(.pending)");

await ada.goto(`${url}/#/`);
await ada.waitForSelector(".post:has-text('First light')");
await ada.click(".post:has-text('First light') .act-heart");
await ada.waitForFunction(() => [...document.querySelectorAll(".pictures img")].every((each) => each.complete && each.naturalWidth));
await post(ada, "Good morning, @mira. The gulls say hello back.");
await post(leo, "@ada coffee at ten?");
await ada.waitForSelector(".fresh button");
await ada.waitForSelector("aside .online");
await draw(ada, "home");

await leo.goto(`${url}/#/@mira`);
await leo.click(".post .when a");
await leo.waitForSelector(".comment");
await leo.waitForFunction(() => [...document.querySelectorAll(".pictures img")].every((each) => each.complete && each.naturalWidth));
await jonas.fill(".write textarea", "And one for the gulls");
await leo.waitForSelector(".typing i");
await draw(leo, "post-phone");
await browser.close();
