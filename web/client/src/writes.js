// The writes of an app, by name: each is queued, shown at once, and resolves with its answer.

import { given } from "./verbs.js";

/**
 * @typedef {import("../types/rest").components["schemas"]} Schemas
 * @typedef {{rev?: number | undefined}} Revision an edit of this revision only
 */

export class Writes {
  /** Queues a write; resolves with its answer. @type {(verb: string, args: Record<string, any>) => Promise<any>} */
  _write = /** @type {any} */ (null); // a client sets it

  /** Publish a post. @param {Schemas["NewPost"]} post @returns {Promise<Schemas["Post"]>} */
  publish({ text, media, visibility }) {
    return this._write("publish", given({ text, media, visibility }));
  }

  /** Edit your post. @param {string} post_id @param {string} text @param {Revision} [revision] @returns {Promise<Schemas["Post"]>} */
  editPost(post_id, text, { rev } = {}) {
    return this._write("editPost", given({ post_id, text, rev }));
  }

  /** Delete your post. @param {string} post_id @returns {Promise<null>} */
  deletePost(post_id) {
    return this._write("deletePost", { post_id });
  }

  /** Like a post. @param {string} post_id @returns {Promise<Schemas["LikeState"]>} */
  like(post_id) {
    return this._write("like", { post_id });
  }

  /** Take a like back. @param {string} post_id @returns {Promise<Schemas["LikeState"]>} */
  unlike(post_id) {
    return this._write("unlike", { post_id });
  }

  /** Show a post to your followers. @param {string} post_id @returns {Promise<Schemas["RepostState"]>} */
  repost(post_id) {
    return this._write("repost", { post_id });
  }

  /** Take a repost back. @param {string} post_id @returns {Promise<Schemas["RepostState"]>} */
  unrepost(post_id) {
    return this._write("unrepost", { post_id });
  }

  /** Bookmark a post. @param {string} post_id @returns {Promise<Schemas["BookmarkState"]>} */
  bookmark(post_id) {
    return this._write("bookmark", { post_id });
  }

  /** Remove a bookmark. @param {string} post_id @returns {Promise<Schemas["BookmarkState"]>} */
  unbookmark(post_id) {
    return this._write("unbookmark", { post_id });
  }

  /**
   * Comment on a post, or with `parent` reply to a comment.
   * @param {string} post_id
   * @param {string} text
   * @param {{parent?: string | undefined}} [options]
   * @returns {Promise<Schemas["Comment"]>}
   */
  comment(post_id, text, { parent } = {}) {
    return this._write("comment", given({ post_id, text, parent_id: parent }));
  }

  /**
   * Edit your comment.
   * @param {string} comment_id
   * @param {string} text
   * @param {Revision} [revision]
   * @returns {Promise<Schemas["Comment"]>}
   */
  editComment(comment_id, text, { rev } = {}) {
    return this._write("editComment", given({ comment_id, text, rev }));
  }

  /** Delete a comment of yours, or under your post. @param {string} comment_id @returns {Promise<null>} */
  deleteComment(comment_id) {
    return this._write("deleteComment", { comment_id });
  }

  /** Like a comment. @param {string} comment_id @returns {Promise<Schemas["CommentLikeState"]>} */
  likeComment(comment_id) {
    return this._write("likeComment", { comment_id });
  }

  /** Take a like of a comment back. @param {string} comment_id @returns {Promise<Schemas["CommentLikeState"]>} */
  unlikeComment(comment_id) {
    return this._write("unlikeComment", { comment_id });
  }

  /** Follow a person, or ask to. @param {string} username @returns {Promise<Schemas["FollowState"]>} */
  follow(username) {
    return this._write("follow", { username });
  }

  /** Stop following a person. @param {string} username @returns {Promise<Schemas["FollowState"]>} */
  unfollow(username) {
    return this._write("unfollow", { username });
  }

  /** Hide yourself and a person from each other. @param {string} username @returns {Promise<Schemas["Relationship"]>} */
  block(username) {
    return this._write("block", { username });
  }

  /** End a block. @param {string} username @returns {Promise<Schemas["Relationship"]>} */
  unblock(username) {
    return this._write("unblock", { username });
  }

  /** See no posts of a person, who does not notice. @param {string} username @returns {Promise<Schemas["Relationship"]>} */
  mute(username) {
    return this._write("mute", { username });
  }

  /** End a mute. @param {string} username @returns {Promise<Schemas["Relationship"]>} */
  unmute(username) {
    return this._write("unmute", { username });
  }

  /** Accept a person's request to follow you. @param {string} username @returns {Promise<Schemas["Relationship"]>} */
  acceptFollow(username) {
    return this._write("acceptFollow", { username });
  }

  /** Refuse a person's request to follow you. @param {string} username @returns {Promise<Schemas["Relationship"]>} */
  refuseFollow(username) {
    return this._write("refuseFollow", { username });
  }

  /**
   * Mark notifications as read: some, or all up to a time.
   * @param {{ids?: string[], all_until?: string}} which
   * @returns {Promise<Schemas["Unread"]>}
   */
  markRead({ ids, all_until }) {
    return this._write("markRead", given({ ids, all_until }));
  }

  /** Edit your profile. @param {Schemas["EditProfile"]} fields @returns {Promise<Schemas["Me"]>} */
  editProfile(fields) {
    return this._write("editProfile", { fields });
  }
}
