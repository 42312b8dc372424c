// People: profiles, who is online, and who is writing a comment.

import { SETTLES_MS } from "./hub.js";
import { Live } from "./live.js";
import { answerOf, nullIfHidden } from "./problems.js";
import { later } from "./pauses.js";
import { isBetweenPeople, profileAfter, profileViewed } from "./merge.js";

/**
 * @typedef {import("../types/rest").components["schemas"]} Schemas
 * @typedef {import("../types/events").Schemas["Presence"]} Person
 * @typedef {{value: Schemas["Profile"] | Schemas["Me"] | null}} OneProfile
 */

const TYPING_MS = 5_000;

/** @extends {Live<OneProfile, OneProfile>} */
export class ProfileStore extends Live {
  #username;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #settling;

  /** @param {import("./hub.js").Hub} hub @param {string} username */
  constructor(hub, username) {
    super(hub, { value: null }, { value: null });
    this.#username = username;
  }

  /** @returns {Promise<OneProfile>} */
  async _fetch() {
    const { rest, session } = this._hub;
    const mine = this.#username === session.get().user?.username;
    const path = { username: this.#username };
    const value = mine ? await answerOf(rest.GET("/v1/users/me"))
      : await answerOf(rest.GET("/v1/users/{username}", { params: { path } })).catch(nullIfHidden);
    return { value };
  }

  /** @param {OneProfile} state @param {import("./merge.js").Fact} fact */
  _after(state, fact) {
    if (isBetweenPeople(fact)) this.#refreshLater();
    const value = state.value && profileAfter(state.value, fact);
    return value === state.value ? state : { value };
  }

  /** Fetch again once the counts have followed. */
  #refreshLater() {
    clearTimeout(this.#settling);
    this.#settling = later(() => void this.refresh(), SETTLES_MS);
  }

  /** @param {OneProfile} state @param {import("./queue.js").Write[]} writes */
  _view({ value }, writes) {
    return { value: value && profileViewed(value, writes) };
  }
}

/** @typedef {{items: Person[]}} People */

/** @extends {Live<People, People>} */
export class PresenceStore extends Live {
  #ids;

  /** @param {import("./hub.js").Hub} hub @param {string[]} ids */
  constructor(hub, ids) {
    super(hub, { items: [] }, { items: [] });
    this.#ids = ids;
  }

  /** @returns {Promise<People>} */
  async _fetch() {
    return { items: await this._hub.rooms.people(this, this.#ids) };
  }

  /** @param {People} fetched @param {People} known */
  _joined(fetched, known) {
    return known.items.reduce((state, data) => {
      const there = fetched.items.some(({ user_id }) => user_id === data.user_id);
      return there ? this._after(state, { event: "presence", data }) : state;
    }, fetched);
  }

  /** @param {People} state @param {import("./merge.js").Fact} fact */
  _after(state, { event, data }) {
    if (event !== "presence" || !this.#ids.includes(data.user_id)) return state;
    const old = state.items.find(({ user_id }) => user_id === data.user_id);
    if (old && (data.version ?? 0) < (old.version ?? 0)) return state;
    const others = state.items.filter((person) => person !== old);
    const items = [...others, data].sort((one, other) => this.#ids.indexOf(one.user_id) - this.#ids.indexOf(other.user_id));
    return { items };
  }
}

/** @typedef {{items: string[]}} Typists */

/** @extends {Live<Typists, Typists>} */
export class TypingStore extends Live {
  #post_id;
  /** @type {Map<string, ReturnType<typeof setTimeout>>} */
  #timers = new Map();

  /** @param {import("./hub.js").Hub} hub @param {string} post_id */
  constructor(hub, post_id) {
    super(hub, { items: [] }, { items: [] });
    this.#post_id = post_id;
  }

  async _enter() {
    return this._hub.rooms.posts(this, [this.#post_id]);
  }

  /** @param {Typists} state @param {import("./merge.js").Fact} fact */
  _after(state, { event, data }) {
    if (data?.post_id !== this.#post_id) return state;
    if (event === "comment.created") return this.#without(state, data.author?.id);
    if (event !== "typing" || data.user_id === this._hub.session.user_id) return state;
    clearTimeout(this.#timers.get(data.user_id));
    this.#timers.set(data.user_id, later(() => this._change(this.#without(this._state, data.user_id)), TYPING_MS));
    return state.items.includes(data.user_id) ? state : { items: [...state.items, data.user_id] };
  }

  /** @param {Typists} state @param {string} user_id */
  #without(state, user_id) {
    return state.items.includes(user_id) ? { items: state.items.filter((id) => id !== user_id) } : state;
  }
}
