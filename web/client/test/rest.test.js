// Requests that get no answer, or half of one, end: a connection that died silently holds up nothing.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import test, { after, mock } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { openRest } from "../src/rest.js";
import { eventually } from "./support.js";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc");
const server = createServer((request, response) => {
  if (request.url === "/v1/feed") response.writeHead(200, { "Content-Length": "100" }).write("{"); // and no more
  server.emit("asked");
});
server.listen(0, "127.0.0.1");
after(() => {
  server.closeAllConnections();
  server.close();
});
await new Promise((resolve) => server.once("listening", resolve));
const url = `http://127.0.0.1:${server.address().port}`;

/** Start a request, wait until nothing refers to it any more but what must, and return where its end will show. */
async function stuck(path, options = {}) {
  const asked = new Promise((resolve) => server.once("asked", resolve));
  const request = { ended: false };
  const answer = openRest(url, (...words) => globalThis.fetch(...words)).GET(path, options);
  answer.then(() => assert.fail("there was no answer"), () => (request.ended = true));
  await asked;
  for (let turn = 0; turn < 50; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (turn % 10 === 0) collectGarbage();
  }
  assert.equal(request.ended, false);
  return request;
}

for (const [path, what] of [["/v1/me", "no answer"], ["/v1/feed", "half an answer"]]) {
  test(`a request with ${what} ends after half a minute`, async () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    const request = await stuck(path).finally(() => mock.timers.tick(29_999));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(request.ended, false);
    mock.timers.tick(1);
    mock.timers.reset();
    await eventually(() => request.ended);
  });
}

test("a request ends when the app says so", async () => {
  const ending = new AbortController();
  const request = await stuck("/v1/me", { signal: ending.signal });
  ending.abort();
  await eventually(() => request.ended);
});

test("a request that was ended before it began is not sent", async () => {
  const rest = openRest(url, (sent, { signal }) => Promise.reject(signal.reason ?? "sent"));
  await assert.rejects(rest.GET("/v1/me", { signal: AbortSignal.abort() }), { name: "AbortError" });
});
