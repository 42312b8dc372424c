// The home timeline: it grows live without moving what is read, since newer posts wait until they are asked for.

import { LARGEST, List, drafted, mapped, without } from "./lists.js";
import { later } from "./pauses.js";
import { UNEXPECTED, asPlazaError } from "./problems.js";
import { after, kinds } from "./merge.js";

/**
 * @typedef {import("./merge.js").Fact} Fact
 * @typedef {import("./queue.js").Write} Write
 * @typedef {import("../types/rest").components["schemas"]["FeedPost"] & {pending?: true}} FeedPost
 * @typedef {object} Timeline
 * @property {FeedPost[]} items
 * @property {string | null} next cursor to older posts
 * @property {string | null} [prev] cursor to newer posts
 * @property {Set<string>} held ids of fresh posts, which are among the items
 * @property {FeedPost[]} own posts of one's own whose place is not known yet
 * @typedef {{items: FeedPost[], fresh: FeedPost[], more: boolean}} FeedShown
 */

const GATHER_MS = 300; // posts that come together are fetched together
const AGAIN_MS = 2_000;
const UNTOLD_MS = 60_000; // posts of authors with very many followers come without an event
const MOST = 2 * LARGEST; // posts that wait, and posts that stay when those that wait are shown

/** @type {Timeline} */
const EMPTY = { items: [], next: null, prev: null, held: new Set(), own: [] };

/** @extends {List<FeedPost, Timeline, FeedShown>} */
export class Feed extends List {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {Promise<void> | null} */
  #growing = null;
  #more = false;
  #showAll = false;

  /** @param {import("./hub.js").Hub} hub */
  constructor(hub) {
    super(hub, { path: "/v1/feed", kind: kinds.post }, EMPTY, { items: [], fresh: [], more: false });
  }

  /** Move the fresh posts to their places among the items; a long timeline begins anew with its newest posts. */
  showFresh() {
    const { items, held } = this._state;
    if (!held.size) return;
    const long = items.length > MOST;
    this._change({ ...this._state, held: new Set(), ...(long && { items: items.slice(0, LARGEST), next: null }) });
    if (!long) return void this._watch();
    this.#showAll = true;
    void this.refresh();
  }

  async _enter() {
    this.#growLater(UNTOLD_MS);
    return super._enter();
  }

  _leave() {
    clearTimeout(this.#timer);
    super._leave();
  }

  /** @param {Timeline} fetched @param {Timeline} known */
  _joined(fetched, known) {
    const { items, next, prev = null } = super._joined(fetched, known);
    const shown = this._seen(known);
    const newer = items.filter((post) => this.#isFresh(post, shown));
    const fresh = this.#showAll || !shown.length || newer.length === items.length ? [] : newer; // else nothing would be shown
    this.#showAll = false;
    return { items, next, prev, held: new Set(fresh.map(({ id }) => id)), own: without(known.own, items) };
  }

  /** @param {Timeline} state @param {Fact} fact */
  _after(state, fact) {
    const { event, data, write } = fact;
    if (event === "feed.changed") this.#showAll = true; // the reader asked for it, by a follow, a block or a mute
    if (event === "feed.post") this.#growLater(GATHER_MS);
    if (event === "answer" && write?.verb === "publish" && !state.items.some(({ id }) => id === data.id)) {
      this.#growLater(GATHER_MS);
      return { ...state, own: [data, ...without(state.own, [data])] };
    }
    const own = mapped(state.own, (post) => after(kinds.post, post, fact));
    const changed = super._after(state, fact);
    return own === state.own ? changed : { ...changed, own: /** @type {FeedPost[]} */ (own) };
  }

  /** @param {Timeline} state @param {Write[]} writes @returns {FeedShown} */
  _view({ items, own, held, next }, writes) {
    const drafts = writes.filter(({ verb }) => verb === "publish").map((write) => this.#draft(write)).reverse();
    const all = /** @type {FeedPost[]} */ (this._viewed([...own, ...items], writes));
    return {
      items: [...drafts, ...all.filter(({ id }) => !held.has(id))],
      fresh: all.filter(({ id }) => held.has(id)),
      more: next !== null,
    };
  }

  /** @param {Write} write */
  #draft(write) {
    const more = { media: [], visibility: write.args.visibility ?? "public", comments: 0, reposts: 0 };
    const mine = { reposted: false, bookmarked: false, place: "", reposted_by: null };
    return /** @type {FeedPost} */ ({ ...drafted(write, this._hub), ...more, ...mine });
  }

  /** @param {Timeline} state */
  _seen({ items, held }) {
    return items.filter(({ id }) => !held.has(id));
  }

  /** @param {FeedPost} post @param {FeedPost[]} shown */
  #isFresh(post, shown) {
    return post.author?.id !== this._hub.session.user_id && !shown.some(({ id }) => id === post.id) && post.place > (shown[0]?.place ?? "");
  }

  /** @param {number} ms */
  #growLater(ms) {
    clearTimeout(this.#timer);
    this.#timer = later(() => {
      this.#growLater(UNTOLD_MS);
      void this.#grow();
    }, ms);
  }

  /** Fetch what is newer, and what came in late; once more where it is called meanwhile. */
  async #grow() {
    this.#more = true;
    this.#growing ??= this.#growUntilTop().finally(() => (this.#growing = null));
    await this.#growing;
  }

  async #growUntilTop() {
    while (this.#more && this._hub.stores.has(this) && this._state.held.size < MOST) {
      this.#more = false;
      const { prev } = this._state;
      if (!prev) return void (await this.refresh());
      try {
        await this._ask(() => this._page(prev), (page) => {
          const same = this._state.prev === prev; // else all was fetched meanwhile
          this.#more ||= same && page.items.length > 0;
          return same ? this.#grown(page) : this._state;
        });
      } catch (error) {
        if (!asPlazaError(error, UNEXPECTED).passing) return void (await this.refresh()); // a cursor of another release
        if (this._hub.connection.connected) this.#growLater(AGAIN_MS); // else all is fetched when it is back
      }
    }
    await this._entering(this._watch());
  }

  /** @param {{items: FeedPost[], prev?: string | null}} page @returns {Timeline} */
  #grown(page) {
    const state = this._state;
    const items = [...page.items, ...without(state.items, page.items)];
    items.sort((one, other) => (one.place > other.place ? -1 : one.place < other.place ? 1 : 0));
    const mine = this._hub.session.user_id;
    const fresh = state.items.length ? without(page.items, state.items).filter(({ author }) => author?.id !== mine) : [];
    const held = new Set([...state.held, ...fresh.map(({ id }) => id)]);
    return { ...state, items, held, prev: page.prev ?? state.prev, own: without(state.own, items) };
  }
}
