// Stores and a server that is made up: of another release, whose news change nothing or are fetched, or slow to open a room.

import assert from "node:assert/strict";
import test from "node:test";
import { Feed } from "../src/feed.js";
import { Hub } from "../src/hub.js";
import { Comments, List } from "../src/lists.js";
import { kinds } from "../src/merge.js";
import { Notifications } from "../src/notifications.js";
import { PresenceStore, ProfileStore, TypingStore } from "../src/people.js";
import { Pauses } from "../src/pauses.js";
import { PostStore } from "../src/post.js";
import { eventually } from "./support.js";

const ada = { id: "u1", username: "ada", display_name: "Ada", avatar_url: null };
const post = { id: "p1", author: ada, text: "hello", rev: 1, version: 1, likes: 0, comments: 0, place: "1", created_at: "2026-01-01T00:00:00Z" };
const ANSWERS = {
  "/v1/posts/{post_id}": post,
  "/v1/users/me": { ...ada, version: 1, followers: 0 },
  "/v1/notifications": { items: [{ id: "n1", type: "like", rev: 1, actors: [ada], count: 1, updated_at: "2026-01-01T00:00:00Z" }], next: null, unread: 1, offset: "epoch.1" },
};
const EVENTS = [
  "notification", "notification.updated", "notification.removed", "notifications.read", "feed.post", "feed.changed", "user.stats",
  "post.stats", "post.updated", "post.deleted", "comment.created", "comment.updated", "comment.deleted", "comment.stats",
  "presence", "typing", "answer", "of.a.newer.release",
];
const FORMS = [undefined, null, 7, "text", [], {}, { id: "p1" }, { id: "n1", updated_at: 7 }, { post_id: "p1", author: 7 }, { user_id: "u1", value: {} }, { ids: 7 }];

/** Return a hub whose REST answers, and its stores, all open and ready. */
async function world(answers) {
  const hub = new Hub();
  const GET = async (path) => ({ data: answers[path] ?? { items: [post], next: null }, response: new Response() });
  Object.assign(hub, {
    session: { user_id: ada.id, get: () => ({ user: ada }) },
    connection: { connected: true },
    queue: { pending: [] },
    rooms: { posts: async () => true, people: async () => [{ user_id: ada.id, online: true, version: 1 }], leave() {} },
    rest: { GET },
    pauses: new Pauses(),
  });
  const stores = [
    new Feed(hub), new Notifications(hub), new PostStore(hub, "p1"), new Comments(hub, "p1", {}), new ProfileStore(hub, "ada"),
    new PresenceStore(hub, [ada.id]), new TypingStore(hub, "p1"), new List(hub, { path: "/v1/bookmarks", kind: kinds.post }),
  ];
  for (const store of stores) store.subscribe(() => {});
  const ready = () => stores.every((store) => store.get().status === "ready");
  await eventually(ready);
  return { hub, stores, ready };
}

test("no event and no form of an event throws, and each store is right after it", async () => {
  const { hub, stores, ready } = await world(ANSWERS);
  const [feed, notifications, one] = stores;
  let seq = 1;
  for (const event of EVENTS) {
    for (const data of FORMS) hub.tell({ event, data, ...(event.startsWith("notif") && { offset: `epoch.${++seq}` }) });
  }
  for (const store of stores) void store.refresh();
  await eventually(ready);
  assert.equal(feed.get().items[0].text, "hello");
  assert.equal(one.get().value.text, "hello");
  assert.deepEqual(notifications.get().items.map(({ id }) => id), ["n1"]);
  hub.tell({ event: "post.stats", data: { post_id: "p1", version: 2, likes: 5, of_a_newer_release: {} } });
  assert.deepEqual([one.get().value.likes, feed.get().items[0].likes], [5, 5]);
  hub.pauses.close();
});

test("an answer that cannot be read is said to be one, keeps what was there, and is asked for once", async () => {
  const answers = { ...ANSWERS };
  const { hub, stores: [feed, notifications], ready } = await world(answers);
  let asked = 0;
  const { GET } = hub.rest;
  hub.rest.GET = (path) => (asked += path === "/v1/feed", GET(path));
  for (const odd of [{ posts: [] }, { items: 7 }, { items: [null] }, "text"]) {
    answers["/v1/feed"] = odd;
    asked = 0;
    await feed.refresh();
    const { status, error, items } = feed.get();
    assert.deepEqual([status, error.code, items.length, asked], ["failed", "unexpected_answer", 1, 1], JSON.stringify(odd));
  }
  answers["/v1/feed"] = { items: [], next: null };
  answers["/v1/notifications"] = { items: [null], next: null, unread: 0 };
  await Promise.all([feed.refresh(), notifications.refresh()]);
  assert.deepEqual([notifications.get().status, notifications.get().items.length], ["failed", 1]);
  hub.changed(); // draws what was there
  answers["/v1/notifications"] = ANSWERS["/v1/notifications"];
  await notifications.refresh();
  assert.ok(ready());
  assert.deepEqual(feed.get().items, []);
  hub.pauses.close();
});

test("a server without /v1/sync has its notifications fetched anew", async () => {
  const answers = { ...ANSWERS };
  const { hub, stores: [, notifications] } = await world(answers);
  const { GET } = hub.rest;
  const missing = { error: { code: "not_found" }, response: new Response(null, { status: 404 }) };
  hub.rest.GET = async (path) => (path === "/v1/sync" ? missing : GET(path));
  answers["/v1/notifications"] = { items: [], next: null, unread: 0, offset: "epoch.2" };
  notifications.connected(false);
  await eventually(() => notifications.get().items.length === 0);
  hub.pauses.close();
});

test("a list that is not in the rooms of its new items is fetched again after a while", async (context) => {
  const { hub, stores: [feed] } = await world(ANSWERS);
  let asked = 0;
  const { GET } = hub.rest;
  hub.rest.GET = (path) => (asked += path === "/v1/feed", GET(path));
  const [entered, late] = [async () => true, async () => false];
  const answers = [entered, late]; // to the rooms of what it had, and of what it fetched
  hub.rooms.posts = () => (answers.shift() ?? entered)();
  context.mock.timers.enable({ apis: ["setTimeout"] });
  await feed.refresh();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([asked, answers.length], [1, 0]);
  context.mock.timers.tick(5_000);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(asked, 2);
  hub.pauses.close();
});
