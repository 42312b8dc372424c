// Chromium and REST for the benchmarks of the reference page; loopback only.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const INSTALLED = ["/usr/bin/chromium", "/usr/bin/chromium-headless-shell"]; // the whole browser, where there is one
const PASSWORD = "correct horse battery";

/** Throw where an address is not of this machine. */
export function checkLoopback(url) {
  if (!["localhost", "127.0.0.1", "[::1]"].includes(new URL(url).hostname)) throw new Error(`${url} is not this machine`);
}

/** Start Chromium; CHROMIUM names another one. */
export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? INSTALLED.find(existsSync), args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });
}

/** Open a window in which a new person has just registered. */
export async function join(browser, url, name) {
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${url}/`);
  for (const [field, value] of [["username", name], ["email", `${name}@example.org`], ["password", PASSWORD]]) await page.fill(`#field-${field}`, value);
  await page.click("form button.primary");
  await page.waitForSelector("nav.bar");
  return page;
}

/** Ask REST, and return its answer; throws an error with the status in it. */
async function rest(url, method, path, { token, body } = {}) {
  const headers = { ...(token && { Authorization: `Bearer ${token}` }), "Content-Type": "application/json" };
  const answer = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw Object.assign(new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`), { status: answer.status });
  return answer.status === 204 ? null : answer.json();
}

/** A person who acts by REST, and logs in again when the access token has ended. */
export class Person {
  #url;
  #token = "";

  constructor(url, username) {
    this.#url = url;
    this.username = username;
  }

  async register() {
    const body = { username: this.username, email: `${this.username}@example.org`, password: PASSWORD };
    this.#token = (await rest(this.#url, "POST", "/v1/auth/register", { body })).access_token;
    return this;
  }

  async login() {
    const body = { username: this.username, password: PASSWORD };
    this.#token = (await rest(this.#url, "POST", "/v1/auth/login", { body })).access_token;
    return this;
  }

  async ask(method, path, body) {
    const asked = () => rest(this.#url, method, path, { token: this.#token, body });
    return asked().catch(async (error) => {
      if (error.status !== 401) throw error;
      await this.login();
      return asked();
    });
  }
}
