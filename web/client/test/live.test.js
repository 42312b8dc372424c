// People at a real server see each other live.

import assert from "node:assert/strict";
import test, { after } from "node:test";
import { PlazaError } from "../src/index.js";
import { PASSWORD, eventually, opened, person } from "./support.js";

const ada = await person();
const bob = await person();
const name = (plaza) => plaza.session.get().user.username;
after(() => [ada, bob].forEach((plaza) => plaza.close()));
const online = opened(ada.connection);
opened(ada.notifications);
opened(ada.feed);
opened(bob.feed);
await bob.follow(name(ada));

test("a follow, a like and a comment reach the notifications, and are read everywhere", async () => {
  const post = await ada.publish({ text: `hello @${name(bob)}` });
  await bob.like(post.id);
  await bob.comment(post.id, "nice");
  const { notifications } = ada;
  await eventually(() => notifications.get().items.length === 3 && notifications.get().unread === 3);
  const marking = ada.markRead({ all_until: notifications.get().items[0].updated_at });
  await eventually(() => notifications.get().unread === 0);
  assert.deepEqual(await marking, { unread: 0 });
  assert.ok(notifications.get().items.every(({ read_at }) => read_at));
});

test("a new post waits above the timeline until it is asked for, and one's own does not", async () => {
  const first = await ada.publish({ text: "first" });
  await eventually(() => bob.feed.get().items.concat(bob.feed.get().fresh).some(({ id }) => id === first.id));
  bob.feed.showFresh();
  const second = await ada.publish({ text: "second" });
  assert.equal(ada.feed.get().items[0].text, "second");
  await eventually(() => bob.feed.get().fresh.some(({ id }) => id === second.id));
  assert.ok(!bob.feed.get().items.some(({ id }) => id === second.id));
  bob.feed.showFresh();
  assert.deepEqual([bob.feed.get().items[0].id, bob.feed.get().fresh], [second.id, []]);
});

test("a repost brings a stranger's post into an open timeline, once and with who it was", async () => {
  const [carol, dan] = [await person(), await person()];
  await carol.follow(name(bob));
  [carol.feed, carol.notifications].forEach(opened);
  await eventually(() => [carol.feed, carol.notifications].every((store) => store.get().status === "ready"));
  await eventually(() => carol.connection.get().state === "online");
  await bob.publish({ text: `hello @${name(carol)}` });
  await eventually(() => carol.notifications.get().unread === 1); // from now on no push passes her by
  const post = await dan.publish({ text: "from a stranger" });
  await bob.repost(post.id);
  const found = () => carol.feed.get().fresh.concat(carol.feed.get().items).filter(({ id }) => id === post.id);
  await eventually(() => found().length); // sooner than it would ask by itself
  assert.deepEqual(found().map(({ reposted_by }) => reposted_by.username), [name(bob)]);
  [carol, dan].forEach((plaza) => plaza.close());
});

test("a like shows before it is answered, counts once, and reaches the other window", async () => {
  const post = await ada.publish({ text: "like me" });
  const [mine, other] = [opened(bob.post(post.id)), opened(ada.post(post.id))];
  await eventually(() => mine.get().value && other.get().value);
  const counts = [];
  mine.subscribe(({ value }) => counts.push(value.likes));
  const liking = bob.like(post.id);
  await eventually(() => mine.get().value.liked && mine.get().value.likes === 1);
  await liking;
  await eventually(() => other.get().value.likes === 1 && other.get().value.version === mine.get().value.version);
  assert.deepEqual([...new Set(counts)], [0, 1], "the count went up once and never back");
});

test("a refusal is a typed error, and the stores show what was before", async () => {
  const before = ada.feed.get().items;
  const seen = [];
  const stop = ada.feed.subscribe(({ items }) => seen.push(items[0]?.pending));
  await assert.rejects(ada.publish({ text: "  " }), (error) => {
    assert.ok(error instanceof PlazaError);
    assert.deepEqual([error.status, error.code, Object.keys(error.fields)], [422, "validation_failed", ["/text"]]);
    return true;
  });
  assert.ok(seen.includes(true));
  assert.deepEqual(ada.feed.get().items.map(({ id }) => id), before.map(({ id }) => id));
  stop();
});

test("comments arrive in order, their edits too, and their deletion", async () => {
  const post = await ada.publish({ text: "talk" });
  const comments = opened(ada.comments(post.id, { sort: "oldest" }));
  await eventually(() => comments.get().status === "ready");
  const one = await bob.comment(post.id, "one");
  await ada.comment(post.id, "two");
  const replies = opened(bob.comments(post.id, { parent: one.id }));
  await ada.comment(post.id, "a reply", { parent: one.id });
  await eventually(() => comments.get().items.map(({ text }) => text).join() === "one,two" && comments.get().items[0].replies === 1);
  await eventually(() => replies.get().items.length === 1);
  await bob.editComment(one.id, "uno", { rev: 0 });
  await assert.rejects(bob.editComment(one.id, "late", { rev: 0 }), { code: "precondition_failed" });
  await eventually(() => comments.get().items[0].text === "uno");
  await bob.deleteComment(one.id);
  await eventually(() => comments.get().items.length === 1 && replies.get().items.length === 0);
});

test("presence, typing and profiles are live", async () => {
  const post = await ada.publish({ text: "who is here?" });
  const presence = opened(ada.presence([bob.session.get().user.id]));
  const typing = opened(ada.typing(post.id));
  const profile = opened(bob.user(name(ada)));
  const watching = opened(bob.post(post.id));
  await eventually(() => presence.get().items[0]?.online && watching.get().value && profile.get().value);
  bob.sayTyping(post.id);
  await eventually(() => typing.get().items.includes(bob.session.get().user.id));
  assert.equal(profile.get().value.relationship.following, true);
  const mine = opened(ada.user(name(ada)));
  await eventually(() => mine.get().value?.posts > 0 && mine.get().value.followers === 1);
});

test("an accepted follow request shows in the profile and brings the posts, without a reload", async () => {
  const shy = await person();
  await shy.editProfile({ private: true });
  const post = await shy.publish({ text: "for followers" });
  const [profile, posts] = [opened(bob.user(name(shy))), opened(bob.posts(name(shy)))];
  const requests = opened(shy.list("/v1/follow-requests"));
  await eventually(() => profile.get().value && requests.get().status === "ready");
  await bob.follow(name(shy));
  await eventually(() => profile.get().value.relationship.requested);
  await eventually(() => requests.get().items.some(({ username }) => username === name(bob)));
  await eventually(() => posts.get().items.length === 0);
  await shy.acceptFollow(name(bob));
  await eventually(() => profile.get().value.relationship.following && !profile.get().value.relationship.requested);
  await eventually(() => posts.get().items.some(({ id }) => id === post.id));
  await eventually(() => requests.get().items.length === 0);
  shy.close();
});

test("who follows you shows in their profile and among your followers, and counts are read after a write", async () => {
  let reads = 0;
  const eve = await person({
    fetch: (request) => {
      reads += Number(request.url.endsWith(`/users/${name(bob)}`));
      return globalThis.fetch(request);
    },
  });
  const theirs = opened(eve.user(name(bob)));
  const followers = opened(eve.list("/v1/users/{username}/followers", { path: { username: name(eve) } }));
  await eventually(() => theirs.get().value && followers.get().status === "ready" && eve.connection.get().state === "online");
  await bob.follow(name(eve));
  await eventually(() => theirs.get().value.relationship.followed_by);
  await eventually(() => followers.get().items.some(({ username }) => username === name(bob)));
  await eve.editProfile({ private: true });
  await bob.unfollow(name(eve));
  await bob.follow(name(eve));
  const before = reads;
  await eve.acceptFollow(name(bob));
  await eventually(() => reads > before);
  eve.close();
});

test("a picture is uploaded and published", async () => {
  const png = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
  const picture = await ada.upload(new Blob([png], { type: "image/png" }), { alt: "a dot" });
  const post = await ada.publish({ text: "", media: [picture.id] });
  assert.equal(post.media[0].alt, "a dot");
});

test("a list of REST has pages, and changes with one's own writes", async () => {
  const posts = opened(ada.posts(name(ada)));
  const bookmarks = opened(ada.list("/v1/bookmarks"));
  await eventually(() => posts.get().status === "ready");
  const missing = 25 - posts.get().items.length;
  for (let at = 0; at < missing; at++) await ada.publish({ text: `post ${at}` });
  await eventually(() => posts.get().items.length >= 20);
  await posts.refresh();
  while (posts.get().more) await posts.loadMore();
  const ids = posts.get().items.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  await ada.bookmark(ids[3]);
  await eventually(() => bookmarks.get().items[0]?.id === ids[3]);
});

test("text is only text, whatever is in it", async () => {
  const text = `<img src=x onerror=alert(1)> \u202e {{1}} \ud83d\ude00`;
  const post = await ada.publish({ text });
  assert.equal(post.text, text);
});

test("an async iterator gives the newest snapshot, and leaving it leaves the store", async () => {
  const post = await ada.publish({ text: "iterate" });
  const store = bob.post(post.id);
  for await (const { value } of store) {
    if (value?.likes === 0 && !value.liked) void bob.like(post.id);
    if (value?.likes === 1) break;
  }
  assert.equal(store._open, false);
});

test("a session that is ended elsewhere ends here, and its stores are empty", async () => {
  const carol = await person();
  opened(carol.feed);
  await eventually(() => carol.connection.get().state === "online");
  await carol.rest.POST("/v1/auth/logout-all");
  await eventually(() => carol.session.get().state === "ended");
  assert.ok(["logout_all", "session_revoked"].includes(carol.session.get().reason)); // by the socket or by an answer
  assert.equal(carol.feed.get().status, "loading");
  carol.close();
});

test("after a restore, which ends all sessions, a lower revision of the server is shown", async () => {
  let restored = false;
  const dan = await person({
    fetch: async (request) => {
      const response = await globalThis.fetch(request);
      if (!restored || !request.url.endsWith(`/posts/${post.id}`)) return response;
      return Response.json({ ...(await response.json()), text: "before", rev: 0 });
    },
  });
  const post = await dan.publish({ text: "before" });
  const shown = opened(dan.post(post.id));
  await dan.editPost(post.id, "after");
  const text = () => shown.get().status === "ready" && shown.get().value?.text;
  await eventually(() => text() === "after");
  restored = true;
  await dan.rest.POST("/v1/auth/logout-all");
  await eventually(() => dan.session.get().state === "ended");
  await dan.login({ username: post.author.username, password: PASSWORD });
  await eventually(() => text() === "before");
  dan.close();
});

test("a token is renewed while the page is open, and the socket is told", async () => {
  const hasty = await person({
    fetch: async (request) => {
      const response = await globalThis.fetch(request);
      if (!/auth\/(register|refresh)/.test(request.url)) return response;
      return Response.json({ ...(await response.json()), expires_in: 1 }, { status: response.status });
    },
  });
  const first = hasty.session.access_token;
  const told = [];
  const { connection } = hasty;
  const ask = connection.ask.bind(connection);
  connection.ask = async (event, message) => {
    const answer = await ask(event, message);
    if (event === "session.renew") told.push([message.token, answer.expires_at]);
    return answer;
  };
  await eventually(() => told.length);
  assert.notEqual(told[0][0], first);
  assert.ok(Date.parse(told[0][1]) > 0);
  hasty.close();
});

test("a token that expired on the way is renewed, and the request sent again", async () => {
  let refused = 0;
  const late = await person({
    fetch: async (request) => {
      if (!request.url.endsWith("/users/me") || refused++) return globalThis.fetch(request);
      return Response.json({ status: 401, code: "token_expired", title: "The access token has expired" }, { status: 401 });
    },
  });
  const first = late.session.access_token;
  const { data } = await late.rest.GET("/v1/users/me");
  assert.equal(data.username, name(late));
  assert.notEqual(late.session.access_token, first);
  late.close();
});

test("the connection says that it is online and nothing waits", async () => {
  await eventually(() => online.get().state === "online" && online.get().waiting === 0);
  assert.equal(online.get().stored, true);
});
