// A post, with live counts.

import { Live } from "./live.js";
import { answerOf, nullIfHidden } from "./problems.js";
import { after, kinds, merged, viewed } from "./merge.js";

/**
 * @typedef {import("../types/rest").components["schemas"]["Post"] & {pending?: true}} Post
 * @typedef {{value: Post | null}} One
 */

/** @extends {Live<One, One>} */
export class PostStore extends Live {
  #post_id;

  /** @param {import("./hub.js").Hub} hub @param {string} post_id */
  constructor(hub, post_id) {
    super(hub, { value: null }, { value: null });
    this.#post_id = post_id;
  }

  async _enter() {
    return this._hub.rooms.posts(this, [this.#post_id]);
  }

  get _items() {
    return this._state.value ? [this._state.value] : [];
  }

  async _fetch() {
    const path = { post_id: this.#post_id };
    const value = await answerOf(this._hub.rest.GET("/v1/posts/{post_id}", { params: { path } })).catch(nullIfHidden);
    return { value };
  }

  /** @param {One} fetched @param {One} known */
  _joined({ value }, known) {
    return { value: value && known.value ? merged(kinds.post, known.value, value) : value };
  }

  /** @param {One} state @param {import("./merge.js").Fact} fact */
  _after(state, fact) {
    const value = state.value && after(kinds.post, state.value, fact);
    return value === state.value ? state : { value };
  }

  /** @param {One} state @param {import("./queue.js").Write[]} writes */
  _view({ value }, writes) {
    return { value: value && viewed(kinds.post, value, writes) };
  }
}
