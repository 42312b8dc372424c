// The queue and the requests of a session: each goes out as its author, and nothing is doubled or blocks for ever.

import assert from "node:assert/strict";
import test from "node:test";
import { createPlaza } from "../src/index.js";
import { Queue } from "../src/queue.js";
import { Kept, memoryStorage } from "../src/storage.js";
import { eventually } from "./support.js";

const HOUR_MS = 3600_000;

/** Run the queue of a person with stored writes against `answer`; return what was sent and refused. */
async function drained(writes, answer, problem = (status) => ({ code: `status_${status}` })) {
  const kept = new Kept(memoryStorage(), "");
  for (const write of writes) await kept.set(placed(write), write);
  const sent = [];
  const refused = [];
  const ask = async (_path, { params }) => {
    const key = params.header["Idempotency-Key"];
    sent.push(key);
    const status = answer(key, sent.length);
    const error = status < 300 ? undefined : problem(status);
    return { data: {}, error, response: new Response(null, { status }) };
  };
  const queue = new Queue({
    scope: `queue ${Math.random()}`,
    kept,
    session: { user_id: "u1", ready: Promise.resolve(), onTokens() {} },
    rest: { POST: ask, PUT: ask },
    tabs: { send: ({ answer: { write, refused: why } }) => why && refused.push([write.key, why.code]) },
    pauses: { closed: false, async after() {} },
    changed() {},
    answered() {},
    refused() {},
  });
  await queue.drain();
  const left = writes.filter(({ verb }) => verb === "ofANewerRelease").map(placed);
  assert.deepEqual(await kept.keys("write:"), left);
  return { sent, refused };
}

const placed = ({ at, key }) => `write:u1:${at}:${key}`;

function write(key, verb, age_ms, tried) {
  const at = String(Date.now() - age_ms).padStart(16, "0");
  return { key, at, user_id: "u1", verb, args: { text: "hello", post_id: "p1" }, tried };
}

test("a post that was tried a day ago is not sent again; all other writes are", async () => {
  const old = 72 * HOUR_MS;
  const writes = [
    write("doubtful", "publish", old, true),
    write("never tried", "publish", old - 1),
    write("tried lately", "publish", old - 2, Date.now() - HOUR_MS),
    write("idempotent", "like", old - 3, true),
  ];
  const { sent, refused } = await drained(writes, () => 200);
  assert.deepEqual(sent, ["never tried", "tried lately", "idempotent"]);
  assert.deepEqual(refused, [["doubtful", "perhaps_done"]]);
});

test("a write that is always answered 500 is refused, and the next is sent", async () => {
  const { sent, refused } = await drained([write("bad", "publish", 2), write("good", "publish", 1)], (key) => (key === "bad" ? 500 : 200));
  assert.deepEqual(sent, [...Array(8).fill("bad"), "good"]);
  assert.deepEqual(refused, [["bad", "status_500"]]);
});

test("a server that is away or restarts refuses nothing", async () => {
  const { sent, refused } = await drained([write("patient", "publish", 1)], (_key, count) => (count > 30 ? 200 : count % 8 ? 500 : 503));
  assert.deepEqual([sent.length, refused], [31, []]);
});

test("what a proxy says instead of the server refuses nothing at once, and holds up the queue for a while alone", async () => {
  const page = () => "<h1>Forbidden by policy</h1>";
  const later = await drained([write("patient", "publish", 1)], (_key, count) => (count > 7 ? 200 : 403), page);
  assert.deepEqual([later.sent.length, later.refused], [8, []]);
  const never = await drained([write("bad", "publish", 2), write("good", "publish", 1)], (key) => (key === "bad" ? 403 : 200), page);
  assert.deepEqual([never.sent.length, never.refused], [9, [["bad", "unknown"]]]);
});

test("what an older server does not offer is refused at once, and what a newer release wrote stays", async () => {
  for (const status of [404, 405, 501]) {
    const newer = write("newer", "ofANewerRelease", 3);
    const { sent, refused } = await drained([newer, write("new", "publish", 2), write("old", "like", 1)], (key) => (key === "new" ? status : 200));
    assert.deepEqual([sent, refused], [["new", "old"], [["new", `status_${status}`]]]);
  }
});

test("nothing of one person is sent with the token of the next, and redirects are not followed", async () => {
  const renewal = deferred();
  const requests = [];
  const tokens = (name) => ({ user: { id: name, username: name, display_name: name, avatar_url: null }, access_token: `access ${name}`, refresh_token: name, token_type: "Bearer", expires_in: 900 });
  const fetch = async (request) => {
    const path = new URL(request.url).pathname;
    requests.push({ path, token: request.headers.get("Authorization"), redirect: request.redirect });
    if (path.endsWith("/login")) return Response.json(tokens((await request.json()).username));
    if (path.endsWith("/refresh-token")) return renewal.promise.then(() => Response.json(tokens("a")));
    return Response.json({ code: "token_expired", status: 401 }, { status: 401 });
  };
  const map = new Map();
  const plaza = createPlaza({ url: "http://127.0.0.1:9", storage: memoryStorage(map), fetch });
  await plaza.login({ username: "a", password: "x" });
  void plaza.publish({ text: "of a" }).catch(() => {});
  const read = assert.rejects(plaza.rest.GET("/v1/bookmarks"), { name: "PlazaError", code: "session_changed" });
  await eventually(() => requests.some(({ path }) => path.endsWith("/refresh-token")) && requests.some(({ path }) => path === "/v1/posts"));
  await plaza.login({ username: "b", password: "x" });
  renewal.resolve();
  await read;
  plaza.close();
  const posts = requests.filter(({ path }) => path === "/v1/posts" || path === "/v1/bookmarks");
  assert.deepEqual([...new Set(posts.map(({ token }) => token))], ["Bearer access a"]);
  assert.ok(requests.every(({ redirect }) => redirect === "error"));
  assert.ok([...map.keys()].some((key) => key.includes("write:a:")), "the write waits for its author");
});

function deferred() {
  const made = {};
  made.promise = new Promise((resolve) => (made.resolve = resolve));
  return made;
}
