// The writes: how each is sent, and how it shows before it is answered.

/**
 * @typedef {import("../types/rest").components["schemas"]} Schemas
 * @typedef {Record<string, any>} Args
 * @typedef {object} Verb
 * @property {"POST" | "PUT" | "PATCH" | "DELETE"} method
 * @property {string} path
 * @property {(args: Args) => object} [body]
 * @property {[flag: string, count: string | null, value: boolean]} [switches] a flag, and the count of those who set it
 */

export const POST = "/v1/posts/{post_id}";
export const COMMENT = "/v1/comments/{comment_id}";
const USER = "/v1/users/{username}";

/**
 * Return two verbs, of which one takes back what the other did, and the flag and count of a post or comment that they switch.
 * @param {string} on @param {string} off @param {string} path @param {string} [flag] @param {string | null} [count]
 * @returns {Record<string, Verb>}
 */
const pair = (on, off, path, flag = "", count = null) => ({
  [on]: { method: "PUT", path, switches: [flag, count, true] },
  [off]: { method: "DELETE", path, switches: [flag, count, false] },
});

/** Return the body with these fields of the arguments. @param {string[]} names @returns {Verb["body"]} */
const of = (...names) => (args) => Object.fromEntries(names.map((name) => [name, args[name]]));

/** @type {Record<string, Verb>} */
export const verbs = {
  publish: { method: "POST", path: "/v1/posts", body: of("text", "media", "visibility") },
  editPost: { method: "PATCH", path: POST, body: of("text") },
  deletePost: { method: "DELETE", path: POST },
  ...pair("like", "unlike", `${POST}/like`, "liked", "likes"),
  ...pair("repost", "unrepost", `${POST}/repost`, "reposted", "reposts"),
  ...pair("bookmark", "unbookmark", `${POST}/bookmark`, "bookmarked"),
  comment: { method: "POST", path: `${POST}/comments`, body: of("text", "parent_id") },
  editComment: { method: "PATCH", path: COMMENT, body: of("text") },
  deleteComment: { method: "DELETE", path: COMMENT },
  ...pair("likeComment", "unlikeComment", `${COMMENT}/like`, "liked", "likes"),
  ...pair("follow", "unfollow", `${USER}/follow`),
  ...pair("block", "unblock", `${USER}/block`),
  ...pair("mute", "unmute", `${USER}/mute`),
  ...pair("acceptFollow", "refuseFollow", "/v1/follow-requests/{username}"),
  markRead: { method: "POST", path: "/v1/notifications/read", body: of("ids", "all_until") },
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
