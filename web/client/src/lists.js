// Lists of REST as live stores: pages that are appended, and items that stay current.

import { Live } from "./live.js";
import { answerOf, nullIfHidden } from "./problems.js";
import { after, isBetweenPeople, kinds, merged, viewed } from "./merge.js";

/**
 * @typedef {import("./merge.js").Item} Item
 * @typedef {import("./merge.js").Fact} Fact
 * @typedef {import("./queue.js").Write} Write
 * @typedef {import("./merge.js").Kind} Kind
 * @typedef {object} Asked
 * @property {string} path of REST
 * @property {Record<string, any>} [params] in the path
 * @property {Record<string, any>} [query]
 * @property {Kind | null} [kind] of the items, where they stay current
 */
/** @typedef {{items: Item[], next: string | null}} Pages */
/**
 * @template T
 * @typedef {{items: T[], more: boolean}} ListShown
 */

const PAGE = 20;
export const LARGEST = 100;
const WATCHED = 20; // posts at the top of a list: a socket may watch a hundred in all
export const KEPT = 500; // items that are fetched again at most

const BOOKMARKS = "/v1/bookmarks";

/** The comments on a post that is deleted or hidden. @type {Pages} */
const GONE = { items: [], next: null };

/**
 * @template {Item} T
 * @template {Pages} [State=Pages]
 * @template {ListShown<T>} [Shown=ListShown<T>]
 * @extends {Live<State, Shown>}
 */
export class List extends Live {
  _asked;

  /** @param {import("./hub.js").Hub} hub @param {Asked} asked @param {State} [empty] @param {Shown} [shown] */
  constructor(hub, asked, empty = /** @type {any} */ ({ items: [], next: null }), shown = /** @type {any} */ (nothing())) {
    super(hub, empty, shown);
    this._asked = asked;
  }

  /** Append the next page; resolves when it is there. */
  loadMore() {
    const next = this._state.next;
    if (!next) return Promise.resolve();
    return this._ask(
      () => this._page(next),
      (page) => {
        if (next !== this._state.next) return this._state; // another call appended it, or all was fetched again
        const more = without(page.items, this._state.items);
        return this._appended({ ...this._state, items: [...this._state.items, ...more], next: page.next ?? null }, page);
      },
    );
  }

  /** Return the state with a page at its end. @param {State} state @param {any} _page @returns {State} */
  _appended(state, _page) {
    return state;
  }

  async _enter() {
    return this._watch();
  }

  get _items() {
    return this._asked.kind ? this._state.items : [];
  }

  /** Fetch as much as is shown, so that a reader far down stays there. @returns {Promise<State>} */
  async _fetch() {
    const wanted = Math.min(Math.max(this._state.items.length, PAGE), KEPT);
    const first = await this._page(null, Math.min(wanted, LARGEST));
    let { items, next } = first;
    while (next && items.length < wanted) {
      const page = await this._page(next, Math.min(wanted - items.length, LARGEST));
      items = [...items, ...page.items];
      next = page.next;
    }
    return /** @type {State} */ ({ ...first, items, next: next ?? null });
  }

  /** @param {State} fetched @param {State} known @returns {State} */
  _joined(fetched, known) {
    const { kind } = this._asked;
    if (!kind || !fetched.items.length) return fetched;
    queueMicrotask(() => void this._entering(this._watch()));
    const before = new Map(known.items.map((item) => [item["id"], item]));
    const items = fetched.items.map((item) => {
      const old = before.get(item["id"]);
      return old ? { ...item, ...merged(kind, old, item) } : item;
    });
    return { ...fetched, items };
  }

  /** @param {State} state @param {Fact} fact @returns {State} */
  _after(state, fact) {
    const { kind, path, params } = this._asked;
    const answered = fact.event === "answer" ? fact.write?.verb ?? "" : "";
    const posted = fact.event === "feed.post" || answered === "publish";
    if (posted && params?.["username"] && params["username"] === fact.data.author?.username) void this.refresh();
    if (path === BOOKMARKS && answered.endsWith("bookmark")) void this.refresh();
    if (!kind) {
      if (isBetweenPeople(fact)) void this.refresh(); // a list of people
      return state;
    }
    const items = mapped(state.items, (item) => after(kind, item, fact));
    return items === state.items ? state : { ...state, items };
  }

  /** @param {State} state @param {Write[]} writes @returns {Shown} */
  _view(state, writes) {
    const items = /** @type {T[]} */ (this._viewed(state.items, writes));
    return /** @type {Shown} */ (/** @type {unknown} */ ({ items, more: state.next !== null }));
  }

  /** @param {Item[]} items @param {Write[]} writes */
  _viewed(items, writes) {
    const { kind } = this._asked;
    return kind ? mapped(items, (item) => viewed(kind, item, writes)) : items;
  }

  /** Be in the rooms of the first posts, so that their counts are live; return whether it is. */
  async _watch() {
    if (this._asked.kind !== kinds.post) return true;
    return this._hub.rooms.posts(this, this._seen(this._state).slice(0, WATCHED).map(({ id }) => id));
  }

  /** Return the items that a reader sees. @param {State} state @returns {Item[]} */
  _seen({ items }) {
    return items;
  }

  /** @param {string | null} cursor @param {number} [limit] @returns {Promise<any>} */
  _page(cursor, limit = PAGE) {
    const { path, params, query } = this._asked;
    const sent = { ...query, limit, ...(cursor && { cursor }) };
    const ask = /** @type {any} */ (this._hub.rest).GET;
    return answerOf(ask(path, { params: { path: params ?? {}, query: sent } }));
  }
}

/**
 * The comments on a post, or the replies to one of them.
 * @extends {List<import("../types/rest").components["schemas"]["Comment"] & {pending?: true}>}
 */
export class Comments extends List {
  #post_id;
  #parent;
  #sort;

  /** @param {import("./hub.js").Hub} hub @param {string} post_id @param {{sort?: "newest" | "oldest" | "top", parent?: string}} options */
  constructor(hub, post_id, { sort = "newest", parent }) {
    const path = parent ? "/v1/comments/{comment_id}/replies" : "/v1/posts/{post_id}/comments";
    super(hub, { path, params: { post_id, comment_id: parent }, query: { sort }, kind: kinds.comment });
    this.#post_id = post_id;
    this.#parent = parent ?? null;
    this.#sort = sort;
  }

  async _enter() {
    return this._hub.rooms.posts(this, [this.#post_id]);
  }

  async _fetch() {
    return super._fetch().catch((error) => nullIfHidden(error) ?? GONE);
  }

  /** @param {Pages} state @param {Fact} fact */
  _after(state, fact) {
    const { event, data, write } = fact;
    if (state === GONE) return state;
    if (event === "post.deleted" && data.post_id === this.#post_id) return GONE;
    if (event === "comment.deleted" && data.comment_id === this.#parent) return GONE;
    if (event === "comment.created" || (event === "answer" && write?.verb === "comment")) return this.#with(state, data);
    return super._after(state, fact);
  }

  /** @param {Pages} state @param {Item} comment @returns {Pages} */
  #with(state, comment) {
    const here = comment.post_id === this.#post_id && (comment.parent_id ?? null) === this.#parent;
    if (!here) return state;
    const old = state.items.find(({ id }) => id === comment.id);
    const known = old ? merged(kinds.comment, old, comment) : { liked: false, ...comment };
    const others = state.items.filter(({ id }) => id !== comment.id);
    if (old) return { ...state, items: state.items.map((item) => (item === old ? known : item)) };
    if (this.#sort === "oldest" && state.next) return state; // it is on a page that is not loaded yet
    if (this.#sort === "top") return { ...state, items: [...others, known] };
    const before = (/** @type {Item} */ item) => (this.#sort === "oldest" ? item.id > comment.id : item.id < comment.id);
    const at = others.findIndex(before);
    return { ...state, items: others.toSpliced(at < 0 ? others.length : at, 0, known) };
  }

  /** @param {Item[]} items @param {Write[]} writes */
  _viewed(items, writes) {
    const shown = super._viewed(items, writes);
    const mine = writes
      .filter(({ verb, args }) => verb === "comment" && args.post_id === this.#post_id && (args.parent_id ?? null) === this.#parent)
      .map((write) => ({ ...drafted(write, this._hub), post_id: this.#post_id, parent_id: this.#parent, replies: 0 }));
    if (!mine.length) return shown;
    return this.#sort === "newest" ? [...mine.reverse(), ...shown] : [...shown, ...mine];
  }
}

/**
 * Return what a write shows until it is answered.
 * @param {Write} write
 * @param {import("./hub.js").Hub} hub
 */
export function drafted({ key, at, args }, hub) {
  const created_at = new Date(Number(at)).toISOString();
  const author = hub.session.get().user;
  const counts = { rev: 0, version: 0, likes: 0, liked: false };
  return { id: key, author, text: args.text, entities: [], created_at, edited_at: null, ...counts, pending: true };
}

/**
 * Return items as `change` makes them, without those it makes null; the same list where it changes none.
 * @param {Item[]} items
 * @param {(item: Item) => Item | null} change
 */
export function mapped(items, change) {
  const changed = items.map(change);
  if (changed.every((item, at) => item === items[at])) return items;
  return changed.filter((item) => item !== null);
}

/**
 * Return items that are not among others, by their ids.
 * @template {Item} T
 * @param {T[]} items
 * @param {Item[]} others
 * @returns {T[]}
 */
export function without(items, others) {
  return items.filter(({ id }) => !others.some((each) => each["id"] === id));
}

/** @returns {ListShown<any>} */
function nothing() {
  return { items: [], more: false };
}
