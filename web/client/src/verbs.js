// The writes: how each is sent, and how it shows before it is answered.

/**
 * @typedef {import("../types/rest").components["schemas"]} Schemas
 * @typedef {Record<string, any>} Args
 * @typedef {object} Verb
 * @property {"POST" | "PUT" | "PATCH" | "DELETE"} method
 * @property {string} path
 * @property {(args: Args) => object} [body]
 * @property {string[]} [lists] lists of REST that it changes
 */

const POST = "/v1/posts/{post_id}";
const COMMENT = "/v1/comments/{comment_id}";
const USER = "/v1/users/{username}";
const text = (/** @type {Args} */ args) => ({ text: args.text });

/** @type {Record<string, Verb>} */
export const verbs = {
  publish: { method: "POST", path: "/v1/posts", body: ({ text, media, visibility }) => ({ text, media, visibility }) },
  editPost: { method: "PATCH", path: POST, body: text },
  deletePost: { method: "DELETE", path: POST },
  like: { method: "PUT", path: `${POST}/like` },
  unlike: { method: "DELETE", path: `${POST}/like` },
  repost: { method: "PUT", path: `${POST}/repost` },
  unrepost: { method: "DELETE", path: `${POST}/repost` },
  bookmark: { method: "PUT", path: `${POST}/bookmark`, lists: ["/v1/bookmarks"] },
  unbookmark: { method: "DELETE", path: `${POST}/bookmark`, lists: ["/v1/bookmarks"] },
  comment: { method: "POST", path: `${POST}/comments`, body: ({ text, parent_id }) => ({ text, parent_id }) },
  editComment: { method: "PATCH", path: COMMENT, body: text },
  deleteComment: { method: "DELETE", path: COMMENT },
  likeComment: { method: "PUT", path: `${COMMENT}/like` },
  unlikeComment: { method: "DELETE", path: `${COMMENT}/like` },
  follow: { method: "PUT", path: `${USER}/follow`, lists: [`${USER}/following`, `${USER}/followers`] },
  unfollow: { method: "DELETE", path: `${USER}/follow`, lists: [`${USER}/following`, `${USER}/followers`] },
  block: { method: "PUT", path: `${USER}/block`, lists: ["/v1/users/me/blocks"] },
  unblock: { method: "DELETE", path: `${USER}/block`, lists: ["/v1/users/me/blocks"] },
  mute: { method: "PUT", path: `${USER}/mute`, lists: ["/v1/users/me/mutes"] },
  unmute: { method: "DELETE", path: `${USER}/mute`, lists: ["/v1/users/me/mutes"] },
  acceptFollow: { method: "PUT", path: "/v1/follow-requests/{username}", lists: ["/v1/follow-requests"] },
  refuseFollow: { method: "DELETE", path: "/v1/follow-requests/{username}", lists: ["/v1/follow-requests"] },
  markRead: { method: "POST", path: "/v1/notifications/read", body: ({ ids, all_until }) => ({ ids, all_until }) },
  editProfile: { method: "PATCH", path: "/v1/users/me", body: ({ fields }) => fields },
};

/**
 * Return what `plaza.rest` is asked for a write.
 * @param {string} verb
 * @param {Args} args
 * @param {string} key
 */
export function requestOf(verb, args, key) {
  const { method, path, body } = /** @type {Verb} */ (verbs[verb]);
  /** @type {Record<string, string>} */
  const header = { "Idempotency-Key": key };
  if (args.rev !== undefined) header["If-Match"] = `"${args.post_id ?? args.comment_id}.${args.rev}.-"`;
  return { method, path, options: { params: { path: args, header }, body: body?.(args) } };
}

/**
 * Return an object with its fields that are not undefined.
 * @param {Args} args
 */
export function given(args) {
  return Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined));
}
