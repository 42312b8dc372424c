// A live store: what was fetched, joined with what is heard meanwhile and afterwards, without hole or double.

import { UNEXPECTED, asPlazaError } from "./problems.js";
import { later } from "./pauses.js";
import { Store } from "./store.js";

/**
 * @typedef {import("./merge.js").Fact} Fact
 * @typedef {import("./queue.js").Write} Write
 * @typedef {object} Loading
 * @property {"loading" | "ready" | "stale" | "failed"} status
 * @property {import("./problems.js").PlazaError | null} error of the last fetch
 */

/** @type {Loading} */
const READY = { status: "ready", error: null };
/** @type {Loading} */
const LOADING = { status: "loading", error: null };
const LINGER_MS = 2_000; // a component that is mounted again at once finds its store open
const UNWATCHED_MS = 5_000;

/**
 * @template State what the server said
 * @template Shown what a snapshot adds to `status` and `error`
 * @extends {Store<Loading & Shown>}
 */
export class Live extends Store {
  _hub;
  /** @type {State} */
  _state;
  #empty;
  #user = /** @type {string | null} */ (null);
  /** @type {Loading} */
  #loading = LOADING;
  /** @type {Set<Fact[]>} facts since each request began that is under way */
  #meanwhile = new Set();
  /** @type {Promise<void> | null} */
  #fetching = null;
  #fetched = 0; // when, by `performance.now()`
  #again = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #lingering;

  /**
   * @param {import("./hub.js").Hub} hub
   * @param {State} empty
   * @param {Shown} shown of the empty state
   */
  constructor(hub, empty, shown) {
    super({ ...LOADING, ...shown });
    this._hub = hub;
    this._state = this.#empty = empty;
  }

  /** Fetch it again; resolves when it is there, or has failed. */
  refresh() {
    this.#again = true;
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = null;
      if (this.#again && this.#active) return this.refresh(); // it was asked for as the last fetch ended
    });
    return this.#fetching;
  }

  /** Apply a fact. @param {Fact} fact */
  hear(fact) {
    for (const facts of this.#meanwhile) facts.push(fact);
    this._change(this._after(this._state, fact));
  }

  /** Catch up: the connection is there again, perhaps after some hints were lost. @param {boolean} _recovered */
  connected(_recovered) {
    void this.refresh();
  }

  /** The connection is lost: what is shown may be old. */
  disconnected() {
    if (this.#loading.status === "ready") this.#note({ ...this.#loading, status: "stale" });
  }

  /** Nothing was missed although the connection was lost. */
  _current() {
    if (this.#loading.status === "stale" && !this.#fetching) this.#note({ ...this.#loading, status: "ready" });
  }

  /** Begin anew where another person is logged in now, or nobody. */
  userChanged() {
    if (this.#user === this._hub.session.user_id) return;
    this.#user = this._hub.session.user_id;
    this.#loading = LOADING;
    this._state = this.#empty;
    this.render();
    if (this.#user) void this.refresh();
  }

  /** Make a snapshot of the state and the writes without an answer. */
  render() {
    this._set({ ...this.#loading, ...this._view(this._state, this._hub.queue.pending) });
  }

  /** Take over a state, unless it cannot be shown: then it throws. @param {State} state */
  _change(state) {
    const known = this._state;
    if (state === known) return;
    this._state = state;
    try {
      this.render();
    } catch (error) {
      this._state = known;
      throw error;
    }
  }

  /** Enter the rooms it needs; return whether it is in them. @returns {Promise<boolean>} */
  async _enter() {
    return true;
  }

  /** Fetch again after a while where it could not enter all of its rooms. @param {Promise<boolean>} entered */
  async _entering(entered) {
    if (!(await entered) && this._hub.connection.connected) later(() => this.#active && void this.refresh(), UNWATCHED_MS);
  }

  /** Leave its rooms. */
  _leave() {
    this._hub.rooms.leave(this);
  }

  /**
   * Ask the server for something, join it to the state, and apply what was heard since it was asked.
   * @template T
   * @param {() => Promise<T>} ask
   * @param {(answer: T) => State} join
   */
  async _ask(ask, join) {
    const user = this._hub.session.user_id;
    /** @type {Fact[]} */
    const meanwhile = [];
    this.#meanwhile.add(meanwhile);
    try {
      const answer = await ask();
      if (user !== this._hub.session.user_id) return;
      this._change(meanwhile.reduce((state, fact) => this._after(state, fact), join(answer)));
    } finally {
      this.#meanwhile.delete(meanwhile);
    }
  }

  /** Return the posts or comments of the state. @returns {import("./merge.js").Item[]} */
  get _items() {
    return [];
  }

  /** Return the state that the server has now; throws PlazaError. @returns {Promise<State>} */
  async _fetch() {
    return this._state;
  }

  /** Return the state after a fetch. @param {State} fetched @param {State} _known @returns {State} */
  _joined(fetched, _known) {
    return fetched;
  }

  /** Return the state after a fact; the same state where it says nothing new. @param {State} state @param {Fact} _fact */
  _after(state, _fact) {
    return state;
  }

  /** Return the fields of a snapshot: those of the state, where nothing else is said. @param {State} state @param {Write[]} _writes @returns {Shown} */
  _view(state, _writes) {
    return /** @type {any} */ (state);
  }

  _opened() {
    if (this.#lingering) {
      clearTimeout(this.#lingering);
      this.#lingering = undefined;
      if (performance.now() - this.#fetched > LINGER_MS) void this.refresh(); // not all that changes is told
      return;
    }
    this._hub.stores.add(this);
    this.#user = this._hub.session.user_id;
    this.render(); // writes may have been answered while it was closed
    if (this.#user) void this.refresh();
  }

  _closed() {
    this.#lingering = later(() => {
      this.#lingering = undefined;
      this._hub.stores.delete(this);
      this._leave();
      this.disconnected();
    }, LINGER_MS);
  }

  get #active() {
    return this._hub.stores.has(this) && !this._hub.pauses.closed;
  }

  async #fetch() {
    for (let attempt = 0; this.#again && this.#active; ) {
      this.#again = false;
      const user = this._hub.session.user_id;
      if (!user) return;
      if (this.#loading.status !== "loading") this.#note({ ...this.#loading, status: "stale" });
      const error = await this.#fetchOnce();
      if (user !== this._hub.session.user_id) this.#again = true;
      else if (!error) this.#note(READY);
      else if (!error.passing) this.#note({ status: "failed", error });
      else {
        this.#note({ ...this.#loading, error });
        await this._hub.pauses.after(attempt++, error);
        this.#again = true;
      }
    }
  }

  async #fetchOnce() {
    try {
      const fetching = async () => {
        await this._entering(this._enter());
        return this._fetch();
      };
      await this._ask(fetching, (fetched) => {
        this.#loading = READY;
        this.#fetched = performance.now();
        return this._joined(fetched, this._state);
      });
      return null;
    } catch (error) {
      return asPlazaError(error, UNEXPECTED);
    }
  }

  /** @param {Loading} loading */
  #note(loading) {
    this.#loading = loading;
    this.render();
  }
}
