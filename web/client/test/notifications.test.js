// The stream of notifications, heard late, twice, with a hole, or in a way that only another release knows.

import assert from "node:assert/strict";
import test from "node:test";
import { Hub } from "../src/hub.js";
import { Notifications } from "../src/notifications.js";
import { Pauses } from "../src/pauses.js";
import { Rooms } from "../src/rooms.js";
import { eventually, opened } from "./support.js";

const group = (id, rev = 1, more = {}) => ({ id, rev, type: "like", count: rev, actors: [], target: {}, updated_at: `2026-01-01T00:00:0${rev}.000000Z`, read_at: null, ...more });

/** A store on a server that answers lists and syncs from `at`. */
function stage(at) {
  const hub = new Hub();
  const asked = [];
  const rest = {
    async GET(path, { params }) {
      asked.push(path === "/v1/sync" ? params.query.after : "list");
      return { data: path === "/v1/sync" ? at.sync(params.query.after) : at.list(params.query), response: new Response() };
    },
  };
  const session = { user_id: "u", get: () => ({ user: null }) };
  const connection = { connected: false, ask: async () => {} };
  Object.assign(hub, { rest, session, connection, queue: { pending: [] }, pauses: new Pauses(), rooms: new Rooms(connection, () => {}) });
  const store = opened(new Notifications(hub));
  const push = (event, data, offset) => hub.tell({ event, data, offset });
  const shown = () => store.get().items.map(({ id, rev }) => `${id}${rev}`).join();
  return { hub, store, push, shown, asked };
}

test("events of before the snapshot are not applied twice, and later ones in order", async () => {
  const { store, push, shown } = stage({ list: () => ({ items: [group("a", 2)], next: null, offset: "e.5", unread: 1 }) });
  push("notification.removed", { id: "a", rev: 1 }, "e.4"); // heard while the list is fetched
  push("notification", group("b", 3), "e.6");
  await eventually(() => store.get().status === "ready");
  assert.deepEqual([shown(), store.get().unread], ["b3,a2", 2]);
  push("notification.updated", group("a", 4), "e.7");
  push("notification.updated", group("a", 4), "e.7");
  push("notification.removed", { id: "b", rev: 4 }, "e.8");
  assert.deepEqual([shown(), store.get().unread], ["a4", 1]);
});

test("a hole is filled from the stream, once", async () => {
  const events = [{ event: "notification", data: group("b", 2), offset: "e.6" }, { event: "notification", data: group("c", 3), offset: "e.7" }];
  const { store, push, shown, asked } = stage({ list: () => ({ items: [], next: null, offset: "e.5", unread: 0 }), sync: () => ({ recovered: true, events, offset: "e.7" }) });
  await eventually(() => store.get().status === "ready");
  push("notification", group("c", 3), "e.7");
  assert.equal(shown(), "");
  await eventually(() => shown() === "c3,b2");
  push("notification", group("d", 4), "e.8");
  assert.deepEqual([shown(), asked], ["d4,c3,b2", ["list", "e.5"]]);
});

test("after so long that the stream has forgotten it, all is fetched again", async () => {
  let fetched = 0;
  const newest = Array.from({ length: 20 }, (_, at) => group(`z${at}`, 9));
  const list = () => (fetched++ ? { items: newest, next: "more", offset: "e.10005", unread: 1000 } : { items: [group("a")], next: null, offset: "e.5", unread: 1 });
  const { store, hub } = stage({ list, sync: () => ({ recovered: false, events: [], offset: "e.10005" }) });
  await eventually(() => store.get().status === "ready");
  hub.connected(false);
  await eventually(() => store.get().items.length === 20 && store.get().status === "ready");
  assert.equal(store.get().unread, 1000);
});

test("a list that 2,000 events made long is cut, counts all, and goes on where it was cut", async () => {
  const all = [];
  const list = ({ cursor = 0, limit }) => ({ items: all.slice(cursor, +cursor + limit), next: +cursor + limit < all.length ? +cursor + limit : null, offset: `e.${all.length}`, unread: all.length });
  const { store, push } = stage({ list });
  await eventually(() => store.get().status === "ready");
  for (let n = 1; n <= 2_000; n++) {
    const at = new Date(Date.UTC(2026) + n).toISOString();
    all.unshift(group(`n${n}`, 1, { updated_at: at }));
    push("notification", all[0], `e.${n}`);
    assert.ok(store.get().items.length < 600);
  }
  assert.deepEqual([store.get().unread, store.get().more], [2_000, true]);
  const before = store.get().items.length;
  await store.loadMore();
  assert.ok(store.get().items.length >= before);
  while (store.get().items.length < 700) await store.loadMore();
  assert.deepEqual(store.get().items.map(({ id }) => id), all.slice(0, store.get().items.length).map(({ id }) => id));
  assert.equal(store.get().unread, 2_000);
});

test("all that are marked as read are shown as read at once, also those on pages that are not loaded", async () => {
  const older = Array.from({ length: 19 }, (_, at) => group(`a${at}`, 2));
  const { hub, store } = stage({ list: () => ({ items: [group("b", 3), ...older], next: "more", offset: "e.5", unread: 1000 }) });
  await eventually(() => store.get().status === "ready");
  const marked = (args) => {
    hub.queue.pending = [{ verb: "markRead", args, at: "1" }];
    store.render();
    return store.get().unread;
  };
  assert.equal(marked({ ids: ["b", "a0"] }), 998);
  assert.equal(marked({ all_until: group("a", 2).updated_at }), 1);
  assert.equal(marked({ all_until: group("b", 3).updated_at }), 0);
});

test("a stream that began anew is fetched again, and offsets of another release are trusted in their order", async () => {
  let epoch = "e.5";
  const { store, push, shown } = stage({ list: () => ({ items: [], next: null, offset: epoch, unread: 0 }), sync: () => ({ recovered: false, events: [], offset: "" }) });
  await eventually(() => store.get().status === "ready");
  epoch = "opaque/1";
  push("notification", group("a"), "f.1");
  await eventually(() => store._state.offset === epoch);
  push("notification", group("b"), "opaque/2");
  push("notification.exploded", { id: "b", rev: 7 }, "opaque/3");
  assert.equal(shown(), "b1");
});
