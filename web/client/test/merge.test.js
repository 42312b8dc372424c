// Versions order counts, revisions order texts, and what a server of another release adds or leaves out does no harm.

import assert from "node:assert/strict";
import test from "node:test";
import { after, kinds, merged, viewed } from "../src/merge.js";

const post = { id: "p", text: "hello", rev: 1, likes: 2, comments: 0, reposts: 0, version: 5, liked: false };
const write = (verb, more = {}) => ({ key: "k", at: "1", user_id: "u", verb, args: { post_id: "p", ...more } });
const stats = (version, likes) => ({ event: "post.stats", data: { post_id: "p", version, likes, comments: 0, reposts: 0 } });

test("counts of an older version change nothing", () => {
  assert.equal(after(kinds.post, post, stats(5, 9)), post);
  assert.equal(after(kinds.post, post, stats(6, 9)).likes, 9);
});

test("a late edit does not undo a later one, and a stale read brings back no old counts", () => {
  const edited = after(kinds.post, post, { event: "post.updated", data: { id: "p", rev: 3, text: "third", version: 4, likes: 1 } });
  assert.deepEqual([edited.text, edited.likes], ["third", 2]);
  assert.equal(after(kinds.post, edited, { event: "post.updated", data: { id: "p", rev: 2, text: "second", version: 4 } }).text, "third");
  assert.equal(merged(kinds.post, edited, { ...post, liked: true, version: 4, likes: 0 }).likes, 2);
});

test("a like shows at once, counts once when it is answered, and once when the counts arrive", () => {
  assert.equal(viewed(kinds.post, post, [write("like")]).likes, 3);
  const answered = after(kinds.post, post, { event: "answer", write: write("like"), data: { post_id: "p", liked: true, likes: 2, version: 5 } });
  assert.deepEqual([viewed(kinds.post, answered, []).likes, answered.liked], [3, true]);
  const counted = after(kinds.post, answered, stats(6, 3));
  assert.deepEqual([viewed(kinds.post, counted, []).likes, "settling" in counted], [3, false]);
});

test("a like that is taken back before it is sent shows as none", () => {
  const shown = viewed(kinds.post, post, [write("like"), write("unlike")]);
  assert.deepEqual([shown.liked, shown.likes], [false, 2]);
});

test("counts that came before the answer are not changed by it", () => {
  const counted = after(kinds.post, post, stats(6, 3));
  const answered = after(kinds.post, counted, { event: "answer", write: write("like"), data: { post_id: "p", liked: true, likes: 2, version: 5 } });
  assert.deepEqual([viewed(kinds.post, answered, []).likes, answered.liked], [3, true]);
});

test("an unknown event, an unknown field and a missing field do no harm", () => {
  assert.equal(after(kinds.post, post, { event: "post.exploded", data: { post_id: "p" } }), post);
  assert.equal(after(kinds.post, post, { event: "newer", data: null }), post);
  const { version, comments, rev, ...bare } = post;
  const known = after(kinds.post, bare, { event: "post.updated", data: { id: "p", text: "new", mood: "good", rev: 1 } });
  assert.deepEqual([known.text, known.mood, after(kinds.post, bare, stats(1, 7)).likes], ["new", "good", 7]);
});

test("a deletion that waits hides the post, and its refusal shows it again", () => {
  assert.equal(viewed(kinds.post, post, [write("deletePost")]), null);
  assert.equal(viewed(kinds.post, post, []), post);
});
