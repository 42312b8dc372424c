// Tokens: renewed before they expire, once for all tabs, whatever the clock of the machine says.

import assert from "node:assert/strict";
import test, { afterEach, mock } from "node:test";
import { Pauses } from "../src/pauses.js";
import { openRest } from "../src/rest.js";
import { Session } from "../src/session.js";
import { Kept, memoryStorage } from "../src/storage.js";
import { Tabs } from "../src/tabs.js";
import { eventually } from "./support.js";

const USER = { id: "u1", username: "ada", display_name: "ada", avatar_url: null };
let closing = [];
afterEach(() => {
  for (const close of closing) close();
  closing = [];
});

/** A server that counts refreshes and can refuse them. */
function server() {
  const at = { refreshes: 0, refusal: null, lifetime_s: 600 };
  at.tokens = (user = USER) => ({ user, access_token: `a${at.refreshes}`, refresh_token: `r${at.refreshes}`, token_type: "Bearer", expires_in: at.lifetime_s });
  at.fetch = async (request) => {
    if (at.refusal) return Response.json(at.refusal, { status: at.refusal.status });
    if (request.url.endsWith("/logout")) return new Response(null, { status: 204 });
    at.refreshes++;
    await new Promise((resolve) => setTimeout(resolve, 5));
    return Response.json(at.tokens());
  };
  return at;
}

function tab(at, storage, scope = "scope") {
  const kept = new Kept(storage, "");
  const tabs = new Tabs(scope, (message) => session.heard(message));
  const session = new Session({ scope, kept, tabs, pauses: new Pauses(), open: openRest("http://plaza", at.fetch) });
  closing.push(() => (session.close(), tabs.close()));
  return session;
}

test("three tabs whose token expires together ask once, and all have the new one", async () => {
  const at = server();
  const storage = memoryStorage();
  const first = tab(at, storage);
  await first.begin(Promise.resolve(at.tokens()));
  const tabs = [first, tab(at, storage), tab(at, storage)];
  await Promise.all(tabs.map((each) => each.ready));
  await Promise.all(tabs.map((each) => each.renew("a0")));
  await eventually(() => tabs.every((each) => each.access_token === "a1"));
  assert.equal(at.refreshes, 1);
});

test("tabs find each other's tokens although storage takes nothing", async () => {
  const at = server();
  const refusing = () => ({ get() {}, set() { throw new Error("full"); }, delete() {}, keys: () => [], name: "shared" });
  const [one, other] = [tab(at, refusing()), tab(at, refusing())];
  for (const each of [one, other]) await each.begin(Promise.resolve(at.tokens()));
  await one.renew("a0");
  await eventually(() => other.access_token === "a1");
});

for (const hours of [-1, 1]) {
  test(`a clock that is wrong by ${hours} h renews no token too early or too late`, async () => {
    const at = server();
    const real = Date.now;
    mock.method(Date, "now", () => real() + hours * 3_600_000);
    try {
      const session = tab(at, memoryStorage());
      await session.begin(Promise.resolve(at.tokens()));
      assert.equal(await session.token(), "a0");
      mock.restoreAll(); // the clock is put right while the page is open
      assert.equal(await session.token(), "a0");
      assert.equal(at.refreshes, 0);
    } finally {
      mock.restoreAll();
    }
  });
}

test("a token is renewed by itself before it expires", async () => {
  const at = server();
  at.lifetime_s = 1;
  const session = tab(at, memoryStorage());
  await session.begin(Promise.resolve(at.tokens()));
  await eventually(() => session.access_token === "a1");
});

test("a session whose token was used twice has ended, in every tab, and is forgotten", async () => {
  const at = server();
  const storage = memoryStorage();
  const first = tab(at, storage);
  await first.begin(Promise.resolve(at.tokens()));
  const second = tab(at, storage);
  await second.ready;
  at.refusal = { status: 401, code: "refresh_token_reused", title: "This refresh token was used before" };
  await assert.rejects(first.renew("a0"), { code: "refresh_token_reused" });
  await eventually(() => second.get().state === "ended");
  assert.equal(second.get().reason, "refresh_token_reused");
  assert.equal((await tab(at, storage).ready, await storage.get("session:u1")), undefined);
});

test("an outage ends no session", async () => {
  const at = server();
  const session = tab(at, memoryStorage());
  await session.begin(Promise.resolve(at.tokens()));
  at.refusal = { status: 503, code: "unavailable", title: "Temporarily unavailable" };
  await assert.rejects(session.renew("a0"), { code: "unavailable" });
  assert.equal(session.get().state, "active");
});

test("two accounts in two tabs stay apart, also after a reload", async () => {
  const at = server();
  const storage = memoryStorage();
  const windows = [new Map(), new Map()].map((map) => ({ getItem: (key) => map.get(key) ?? null, setItem: (key, value) => map.set(key, value), removeItem: (key) => map.delete(key) }));
  const bob = { ...USER, id: "u2", username: "bob" };
  for (const [index, user] of [USER, bob].entries()) {
    globalThis.sessionStorage = windows[index];
    await tab(at, storage, "apart").begin(Promise.resolve(at.tokens(user)));
  }
  for (const [index, user] of [USER, bob].entries()) {
    globalThis.sessionStorage = windows[index];
    const reloaded = tab(at, storage, "apart");
    await reloaded.ready;
    assert.equal(reloaded.get().user.username, user.username);
  }
  delete globalThis.sessionStorage;
});
