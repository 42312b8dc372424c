// Rules by which posts, comments and profiles change with what is heard of them: versions order counts, and revisions order texts.

import { verbs } from "./verbs.js";

/**
 * @typedef {Record<string, any>} Item
 * @typedef {object} Fact an event of the server, an answer to a write, or a thing that was read again
 * @property {string} event
 * @property {any} data
 * @property {string} [offset]
 * @property {import("./queue.js").Write} [write] which `answer` is about
 */

const POST_COUNTS = ["likes", "comments", "reposts"];
const COMMENT_COUNTS = ["likes", "replies"];
const POST = { id: "post_id", counts: POST_COUNTS, name: "post", edit: "editPost", delete: "deletePost" };
const COMMENT = { id: "comment_id", counts: COMMENT_COUNTS, name: "comment", edit: "editComment", delete: "deleteComment" };

/** @typedef {typeof POST} Kind */
export const kinds = { post: POST, comment: COMMENT };

/**
 * Return an item after a fact; itself where the fact says nothing new of it, null where it is gone.
 * @template {Item} T
 * @param {Kind} kind
 * @param {T} item
 * @param {Fact} fact
 * @returns {T | null}
 */
export function after(kind, item, { event, data, write }) {
  if (event === "answer" && write && write.args[kind.id] === item.id) return afterAnswer(kind, item, data, write);
  if (!data || (data.id ?? data[kind.id]) !== item.id) return item;
  if (event === `${kind.name}.deleted`) return null;
  if (event === `${kind.name}.stats`) return newer(data, item) ? merged(kind, item, pick(data, [...kind.counts, "version"])) : item;
  if (event === `${kind.name}.updated` || event === `${kind.name}.read`) return merged(kind, item, data);
  return item;
}

/**
 * Return an item with another, perhaps older, state of it: the newer counts, and the text of the later revision.
 * @template {Item} T
 * @param {Kind} kind
 * @param {T} item
 * @param {Item} data
 * @returns {T}
 */
export function merged(kind, item, data) {
  const counts = [...kind.counts, "version"];
  const older = (data.version ?? 0) < (item.version ?? 0);
  const text = (data.rev ?? item.rev ?? 0) >= (item.rev ?? 0) ? data : pick(data, ["liked", "reposted", "bookmarked"]);
  const { settling, ...known } = { ...item, ...text, ...pick(older ? item : data, counts) };
  return /** @type {T} */ (older && settling ? { ...known, settling } : known);
}

/**
 * @template {Item} T
 * @param {Kind} kind
 * @param {T} item
 * @param {any} data
 * @param {import("./queue.js").Write} write
 * @returns {T | null}
 */
function afterAnswer(kind, item, data, { verb, tried, key }) {
  if (verb === kind.delete) return null;
  if (verb === kind.edit) return merged(kind, item, data);
  const [flag, count, value] = verbs[verb]?.switches ?? [];
  if (!flag) return item;
  const now = { ...item, [flag]: data?.[flag] ?? value };
  if (!count || !newerOrSame(data, item)) return now;
  const counted = { ...now, ...pick(data, [count, "version"]) };
  if (tried || item[flag] === now[flag]) return counted;
  // The answer does not count this write yet: show it until the counts that do so arrive.
  return { ...counted, settling: { ...item["settling"], [count]: { by: value ? 1 : -1, key } } };
}

/**
 * Return an item as the reader of unanswered writes sees it; null where one deletes it.
 * @template {Item} T
 * @param {Kind} kind
 * @param {T} item
 * @param {import("./queue.js").Write[]} writes
 * @returns {T | null}
 */
export function viewed(kind, item, writes) {
  const { settling, ...shown } = /** @type {Item} */ (item);
  let changed = !!settling;
  for (const [count, { by }] of Object.entries(settling ?? {})) shown[count] = Math.max(0, shown[count] + by);
  for (const { verb, args } of writes) {
    if (args[kind.id] !== item["id"]) continue;
    if (verb === kind.delete) return null;
    changed = true;
    if (verb === kind.edit) Object.assign(shown, { text: args.text, entities: [], pending: true });
    const [flag, count, value] = verbs[verb]?.switches ?? [];
    if (!flag || shown[flag] === value) continue;
    shown[flag] = value;
    if (count) shown[count] = Math.max(0, (shown[count] ?? 0) + (value ? 1 : -1));
  }
  return changed ? /** @type {T} */ (/** @type {unknown} */ (shown)) : item;
}

/**
 * Return a profile after a fact.
 * @template {Item} T
 * @param {T} profile
 * @param {Fact} fact
 * @returns {T}
 */
export function profileAfter(profile, { event, data, write }) {
  if (event === "user.stats" && data.user_id === profile.id) {
    const { user_id, ...counts } = data;
    return newer(counts, profile) ? { ...profile, ...counts } : profile;
  }
  if (event !== "answer") return profile;
  if (write?.verb === "editProfile" && data?.id === profile.id) return { ...profile, ...data };
  if (write?.args.username !== profile.username || !profile.relationship || !data) return profile;
  const relationship = { ...profile.relationship, ...pick(data, Object.keys(profile.relationship)) };
  return { ...profile, relationship, followers: data.followers ?? profile.followers };
}

/** @type {Record<string, Item>} */
const RELATIONS = {
  follow: { following: true },
  unfollow: { following: false, requested: false },
  block: { blocking: true, following: false },
  unblock: { blocking: false },
  mute: { muting: true },
  unmute: { muting: false },
};

/**
 * Return a profile as the reader of unanswered writes sees it.
 * @template {Item} T
 * @param {T} profile
 * @param {import("./queue.js").Write[]} writes
 * @returns {T}
 */
export function profileViewed(profile, writes) {
  let shown = profile;
  for (const { verb, args } of writes) {
    if (verb === "editProfile" && "email" in shown) shown = { ...shown, ...args.fields };
    if (args.username !== profile.username || !RELATIONS[verb] || !profile.relationship) continue;
    const asks = verb === "follow" && profile.private ? { requested: true } : RELATIONS[verb];
    shown = { ...shown, relationship: { ...shown.relationship, ...asks } };
  }
  return shown;
}

/** @param {Item} data @param {Item} item */
function newer(data, item) {
  return (data.version ?? 0) > (item.version ?? 0);
}

/** @param {Item} data @param {Item} item */
function newerOrSame(data, item) {
  return data && (data.version ?? 0) >= (item.version ?? 0);
}

/** @param {Item} from @param {string[]} names */
function pick(from, names) {
  return Object.fromEntries(names.filter((name) => from[name] !== undefined).map((name) => [name, from[name]]));
}

const FOLLOWS = ["follow", "follow_request", "follow_accepted"]; // types of notifications

/**
 * Return whether a fact may change how people stand to each other: an answered write to a person, or a notification, of
 * which a removed one does not say its type.
 * @param {Fact} fact
 */
export function isBetweenPeople({ event, data, write }) {
  if (event === "answer") return !!write?.args["username"];
  return event === "notification.removed" || FOLLOWS.includes(data?.type);
}
