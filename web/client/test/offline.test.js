// The network goes and comes back: nothing is missed, nothing is doubled, and what was written is sent in order.

import assert from "node:assert/strict";
import test, { after } from "node:test";
import { createPlaza, memoryStorage } from "../src/index.js";
import { API, REALTIME, eventually, gate, opened, person } from "./support.js";

const [rest, socket] = [await gate(API), await gate(REALTIME)];
const through = { url: rest.url, realtime: socket.url };
const open = [];
const keep = (plaza) => (open.push(plaza), plaza);
after(() => {
  for (const plaza of open) plaza.close();
  for (const each of [rest, socket]) each.close();
});
const cut = () => [rest, socket].forEach((each) => each.cut());
const restore = () => [rest, socket].forEach((each) => each.restore());

const bob = keep(await person());
const storage = memoryStorage();
const ada = keep(await person({ ...through, storage }));
const name = ada.session.get().user.username;
opened(ada.connection);
opened(ada.notifications);
await eventually(() => ada.connection.get().state === "online" && ada.notifications.get().status === "ready");

test("what was written without a connection survives a reload and is sent in order, once", async () => {
  const post = await ada.publish({ text: "before" });
  cut();
  await eventually(() => ada.connection.get().state === "offline");
  for (const text of ["one", "two", "three"]) void ada.comment(post.id, text).catch(() => {});
  void ada.like(post.id).catch(() => {});
  await eventually(() => ada.connection.get().waiting === 4);
  ada.close();
  const reloaded = keep(createPlaza({ ...through, storage }));
  await eventually(() => reloaded.connection.get().waiting === 4);
  const comments = opened(reloaded.comments(post.id, { sort: "oldest" }));
  assert.deepEqual(comments.get().items.map(({ text, pending }) => [text, pending]), [["one", true], ["two", true], ["three", true]]);
  restore();
  reloaded.connection.hurry();
  await eventually(() => reloaded.connection.get().waiting === 0 && comments.get().status === "ready");
  assert.deepEqual(comments.get().items.map(({ text, pending }) => [text, pending]), [["one", undefined], ["two", undefined], ["three", undefined]]);
  const { data } = await bob.rest.GET("/v1/posts/{post_id}/comments", { params: { path: { post_id: post.id }, query: { sort: "oldest" } } });
  assert.deepEqual(data.items.map(({ text }) => text), ["one", "two", "three"]);
  assert.deepEqual([...(await storage.keys(""))].filter((key) => key.includes("write:")), []);
});

test("a refused write of before a reload is reported", async () => {
  const store = memoryStorage();
  const carol = keep(await person({ ...through, storage: store }));
  cut();
  void carol.publish({ text: "" }).catch(() => {});
  await eventually(() => carol.connection.get().waiting === 1);
  carol.close();
  const reports = [];
  const reloaded = keep(createPlaza({ ...through, storage: store, refused: (write, error) => reports.push([write.verb, error.code]) }));
  restore();
  reloaded.connection.hurry();
  await eventually(() => reports.length === 1);
  assert.deepEqual(reports, [["publish", "validation_failed"]]);
});

for (const [how, lose] of [
  ["a connection that is recovered", () => socket.cut()],
  ["a connection that begins anew", (plaza) => {
    socket.cut();
    plaza.connection.hurry(); // its own disconnect: what was missed must be asked for
  }],
]) {
  test(`notifications have no hole and no double after ${how}`, async () => {
    const dan = keep(await person({ ...through }));
    const post = await dan.publish({ text: "count" });
    opened(dan.notifications);
    opened(dan.connection);
    await eventually(() => dan.connection.get().state === "online" && dan.notifications.get().status === "ready");
    await bob.comment(post.id, "0");
    await eventually(() => dan.notifications.get().items[0]?.count === 1);
    lose(dan);
    await eventually(() => dan.connection.get().state !== "online");
    for (let at = 1; at < 4; at++) await bob.comment(post.id, `${at}`);
    await bob.follow(dan.session.get().user.username);
    socket.restore();
    await eventually(() => dan.notifications.get().items.length === 2 && dan.notifications.get().items.some(({ count }) => count === 4));
    assert.equal(dan.notifications.get().unread, 2);
  });
}

test("where no socket gets through, REST brings what is new, and the connection says so", async () => {
  const fay = keep(await person({ ...through, poll_ms: 50 }));
  const post = await fay.publish({ text: "slowly" });
  const stores = [opened(fay.post(post.id)), opened(fay.notifications)];
  await eventually(() => fay.connection.get().state === "online" && stores.every((store) => store.get().status === "ready"));
  socket.cut();
  await eventually(() => fay.connection.get().state === "degraded");
  await bob.like(post.id);
  await eventually(() => stores[0].get().value.likes === 1 && stores[1].get().unread === 1);
  await fay.comment(post.id, "sent all the same");
  rest.cut();
  await eventually(() => fay.connection.get().state === "offline");
  rest.restore();
  await eventually(() => fay.connection.get().state === "degraded");
  socket.restore();
  fay.connection.hurry();
  await eventually(() => fay.connection.get().state === "online");
});

test("a post that is edited, liked and deleted meanwhile is as it is now", async () => {
  const eve = keep(await person(through));
  const posts = [await bob.publish({ text: "stays" }), await bob.publish({ text: "goes" })];
  const stores = posts.map(({ id }) => opened(eve.post(id)));
  await eventually(() => stores.every((store) => store.get().value));
  cut();
  await bob.editPost(posts[0].id, "stayed");
  await bob.like(posts[0].id);
  await bob.deletePost(posts[1].id);
  restore();
  await eventually(() => stores[0].get().value?.text === "stayed" && stores[0].get().value.likes === 1 && stores[1].get().value === null);
});

test("two tabs send what waits once, also when the tab that wrote it is gone", async () => {
  const shared = memoryStorage();
  const first = keep(await person({ ...through, storage: shared }));
  const second = keep(createPlaza({ ...through, storage: shared }));
  await eventually(() => second.session.get().state === "active");
  cut();
  void first.publish({ text: "from a tab that is gone" }).catch(() => {});
  await eventually(() => second.connection.get().waiting === 1);
  first.close();
  restore();
  second.connection.hurry();
  await eventually(() => second.connection.get().waiting === 0);
  const { data } = await bob.rest.GET("/v1/users/{username}/posts", { params: { path: { username: second.session.get().user.username } } });
  assert.deepEqual(data.items.map(({ text }) => text), ["from a tab that is gone"]);
});

test("a deletion whose answer was lost is no error when it is sent again", async () => {
  const fay = keep(await person({
    fetch: async (request) => {
      const response = await globalThis.fetch(request);
      if (request.method === "DELETE" && !fay.lost++) throw new TypeError("the answer is lost");
      return response;
    },
  }));
  fay.lost = 0;
  const post = await fay.publish({ text: "delete me" });
  assert.equal(await fay.deletePost(post.id), null);
  assert.equal(fay.lost, 2);
});
