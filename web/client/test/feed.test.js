// A timeline that is open for long: it stays live and bounded, and nothing that it leaves out is lost.

import assert from "node:assert/strict";
import test from "node:test";
import { Feed } from "../src/feed.js";
import { Hub } from "../src/hub.js";
import { Pauses } from "../src/pauses.js";
import { Rooms } from "../src/rooms.js";
import { eventually, opened } from "./support.js";

const author = { id: "a", username: "ada" };
const place = (n) => String(n).padStart(6, "0");
const post = (n) => ({ id: `p${n}`, place: place(n), author, text: `post ${n}`, rev: 1, version: 1, likes: 0, comments: 0, reposts: 0 });

/** A store on a server whose timeline has posts 1 to `at.newest`; cursors are places. */
function stage(at) {
  const hub = new Hub();
  const asked = [];
  const answer = (/** @type {{cursor?: string, limit: number}} */ { cursor = "", limit }) => {
    const [, older, from] = /^([<>])(\d+)$/.exec(cursor) ?? [];
    const all = Array.from({ length: at.newest }, (_, n) => post(at.newest - n));
    const items = older === ">" ? all.filter((each) => each.place > from).slice(-limit)
      : all.filter((each) => older !== "<" || each.place < from).slice(0, limit);
    const last = items.at(-1)?.place;
    return { items, next: last && last > place(1) ? `<${last}` : null, prev: `>${items[0]?.place ?? from}` };
  };
  const rest = {
    async GET(path, { params: { query } }) {
      asked.push(query);
      return { data: answer(query), response: new Response() };
    },
  };
  const rooms = [];
  const session = { user_id: "u", get: () => ({ user: null }) };
  const connection = {
    connected: true,
    ask: async (/** @type {string} */ event, /** @type {{post_id: string}} */ { post_id }) => {
      rooms.push([event, post_id]);
      return { post_id, version: 0 };
    },
  };
  Object.assign(hub, { rest, session, connection, queue: { pending: [] }, pauses: new Pauses(), rooms: new Rooms(connection, () => {}) });
  const feed = opened(new Feed(hub));
  const arrive = (/** @type {number} */ count) => {
    at.newest += count;
    hub.tell({ event: "feed.post", data: post(at.newest) });
  };
  return { hub, feed, arrive, asked, rooms };
}

const ids = (items) => items.map(({ id }) => id);

test("an open timeline holds a bounded number of posts, however many arrive", async () => {
  const at = { newest: 30 };
  const { feed, arrive, asked } = stage(at);
  await eventually(() => feed.get().status === "ready");
  arrive(1_000);
  await eventually(() => feed.get().fresh.length >= 200);
  const before = asked.length;
  assert.deepEqual([feed.get().fresh.length, feed.get().items.length, feed.get().items[0].id], [200, 20, "p30"]);
  arrive(1);
  await feed.refresh(); // as after a lost connection
  assert.ok(asked.length > before);
  assert.ok(feed.get().fresh.length + feed.get().items.length <= 220);
});

test("when those that waited are shown, a long timeline begins anew with its newest posts, and goes on below", async () => {
  const at = { newest: 30 };
  const { feed, arrive } = stage(at);
  await eventually(() => feed.get().status === "ready");
  arrive(300);
  await eventually(() => feed.get().fresh.length >= 200);
  feed.showFresh();
  assert.deepEqual([feed.get().fresh, feed.get().items.length], [[], 100]);
  await eventually(() => feed.get().items[0].id === "p330" && feed.get().more);
  assert.deepEqual([feed.get().fresh.length, feed.get().items.length], [0, 100]);
  await feed.loadMore();
  assert.deepEqual(ids(feed.get().items), Array.from({ length: 120 }, (_, n) => `p${330 - n}`));
});

test("posts that are read stay live while newer ones wait, and those are live once they are shown", async () => {
  const at = { newest: 30 };
  const { feed, arrive, rooms } = stage(at);
  await eventually(() => feed.get().status === "ready" && rooms.length === 20);
  arrive(40);
  await eventually(() => feed.get().fresh.length === 40);
  assert.equal(rooms.length, 20, "nothing was left or entered");
  feed.showFresh();
  assert.deepEqual(ids(feed.get().items).slice(0, 2), ["p70", "p69"]);
  await eventually(() => rooms.filter(([event]) => event === "post.watch").length === 40);
  assert.deepEqual(rooms.filter(([event]) => event === "post.unwatch").length, 20);
});

test("after a long sleep the newest posts are shown, since nothing of what was read is among them", async () => {
  const at = { newest: 30 };
  const { feed } = stage(at);
  await eventually(() => feed.get().status === "ready");
  at.newest += 500;
  await feed.refresh();
  assert.deepEqual([feed.get().fresh, feed.get().items[0].id], [[], "p530"]);
});
