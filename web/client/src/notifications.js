// Notifications: a snapshot with its offset in the stream, and the stream's numbered events from there on.

import { KEPT, List } from "./lists.js";
import { later } from "./pauses.js";
import { answerOf } from "./problems.js";

/**
 * @typedef {import("./merge.js").Fact} Fact
 * @typedef {import("./queue.js").Write} Write
 * @typedef {import("../types/rest").components["schemas"]["Notification"]} Notification
 * @typedef {object} Stream
 * @property {Notification[]} items the one that changed last first
 * @property {string | null} next
 * @property {string} [offset] the last event of the stream that is in it
 * @property {number} beyond how many are unread on the pages that are not loaded
 * @typedef {{items: Notification[], more: boolean, unread: number}} NotificationsShown
 */

const GATHER_MS = 500;
const CUT = "cut"; // instead of a cursor to what was cut off the end of the list
const CUT_AT = KEPT + 100;

/** @extends {List<Notification, Stream, NotificationsShown>} */
export class Notifications extends List {
  #syncing = false;
  #late = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #counting;

  /** @param {import("./hub.js").Hub} hub */
  constructor(hub) {
    super(hub, { path: "/v1/notifications" }, { items: [], next: null, beyond: 0 }, { items: [], more: false, unread: 0 });
  }

  /** Append the next page; resolves when it is there. */
  async loadMore() {
    if (this._state.next === CUT) await this.refresh();
    if (this._state.next !== CUT) await super.loadMore();
  }

  /** @param {boolean} recovered */
  connected(recovered) {
    if (!this._state.offset) return void this.refresh();
    if (recovered) this._current(); // what was missed follows; should it have a hole, its numbers show it
    else void this.#sync();
  }

  /** @param {Stream} fetched @param {Stream} known */
  _joined(fetched, known) {
    if (isBefore(fetched.offset, known.offset)) queueMicrotask(() => void this.#sync());
    return counted(fetched, /** @type {any} */ (fetched).unread);
  }

  /** @param {Stream} state @param {{unread?: number}} page */
  _appended(state, { unread }) {
    return counted(state, unread);
  }

  /** @param {Stream} state @param {Fact} fact */
  _after(state, { event, data, offset, write }) {
    if (event === "answer" && write?.verb === "markRead") {
      this.#fetchLater(); // one that came at the same moment may have been heard before the answer, and is unread
      return read(state, write.args, data?.unread, write.at);
    }
    if (!offset || !state.offset) return state;
    const step = distance(state.offset, offset);
    if (step !== undefined && step <= 0) return state; // it is in the snapshot already
    if (step !== undefined && step !== 1) return void this.#sync(), state; // a hole, or another stream
    return { ...applied(state, event, data, () => this.#fetchLater()), offset };
  }

  /** @param {Stream} state @param {Write[]} writes @returns {NotificationsShown} */
  _view(state, writes) {
    const shown = writes.reduce((seen, { verb, args, at }) => (verb === "markRead" ? read(seen, args, undefined, at) : seen), state);
    return { items: shown.items, more: shown.next !== null, unread: unreadIn(shown) + shown.beyond };
  }

  /** Get what is missing after the last event that is known, or fetch all of it where that is too long ago. */
  async #sync() {
    this.#late = true;
    if (this.#syncing) return;
    this.#syncing = true;
    try {
      while (this.#late) {
        this.#late = false;
        const after = this._state.offset ?? "";
        const answer = await answerOf(this._hub.rest.GET("/v1/sync", { params: { query: { after } } }));
        if (!answer.recovered) return void (await this.refresh());
        for (const { event, data, offset } of answer.events) this._change(this._after(this._state, { event, data, offset }));
      }
      this._current();
    } catch {
      void this.refresh(); // which is repeated until it is answered
    } finally {
      this.#syncing = false;
    }
  }

  /** Fetch again, where what is unread is not certain: an event was about a page that is not loaded, or some were read. */
  #fetchLater() {
    clearTimeout(this.#counting);
    this.#counting = later(() => void this.refresh(), GATHER_MS);
  }
}

/** @param {Pick<Stream, "items">} state */
function unreadIn({ items }) {
  return items.filter(({ read_at }) => !read_at).length;
}

/**
 * Return the state with so many unread ones in all; without a number as many as there were beyond.
 * @param {Stream} state
 * @param {number} [unread]
 * @returns {Stream}
 */
function counted(state, unread) {
  if (state.next === null) return { ...state, beyond: 0 }; // all are loaded
  return unread === undefined ? state : { ...state, beyond: Math.max(0, unread - unreadIn(state)) };
}

/**
 * Return the state after the next event of its stream.
 * @param {Stream} state
 * @param {string} event
 * @param {any} data
 * @param {() => void} uncertain called where the number of unread ones cannot be known
 * @returns {Stream}
 */
function applied(state, event, data, uncertain) {
  if (event === "notifications.read") return read(state, data, data.unread, new Date().toISOString());
  if (!data?.id) return state; // an event of a newer release
  const old = state.items.find(({ id }) => id === data.id);
  if (old && old.rev > data.rev) return state;
  const others = state.items.filter((item) => item !== old);
  if (!old && state.next !== null && event !== "notification") uncertain();
  if (event === "notification.removed") return { ...state, items: others };
  if (event !== "notification" && event !== "notification.updated") return state;
  const at = others.findIndex((item) => latestFirst(data, item) < 0);
  if (state.next !== null && !old && at < 0) return { ...state, beyond: state.beyond + Number(!data.read_at) }; // of a page that is not loaded
  return shortened({ ...state, items: others.toSpliced(at < 0 ? others.length : at, 0, data) });
}

/**
 * Return the state without the end of a list that many events made long.
 * @param {Stream} state
 * @returns {Stream}
 */
function shortened(state) {
  if (state.items.length < CUT_AT) return state;
  const items = state.items.slice(0, KEPT);
  return { ...state, items, next: CUT, beyond: state.beyond + unreadIn({ items: state.items.slice(KEPT) }) };
}

/**
 * Return the state with notifications marked as read.
 * @param {Stream} state
 * @param {{ids?: string[] | null, all_until?: string | null}} which
 * @param {number | undefined} unread how many are left, where the server said so
 * @param {string} at
 * @returns {Stream}
 */
function read(state, { ids, all_until }, unread, at) {
  const read_at = /^\d+$/.test(at) ? new Date(Number(at)).toISOString() : at;
  const until = all_until ? instant(all_until) : "";
  const meant = (/** @type {Notification} */ each) => (ids ? ids.includes(each.id) : instant(each.updated_at) <= until);
  const items = state.items.map((each) => (each.read_at || !meant(each) ? each : { ...each, read_at }));
  const oldest = items[items.length - 1];
  const beyond = all_until && oldest && meant(oldest) ? 0 : undefined; // what is not loaded is older still
  return counted({ ...state, items }, unread ?? beyond);
}

/** @param {string} [time] with six digits of a second or fewer */
function instant(time = "") {
  return time.replace(/(?:\.(\d*))?(Z|\+00:00)$/, (_, digits = "") => `.${digits.padEnd(6, "0")}`);
}

/** @param {Notification} one @param {Notification} other */
function latestFirst(one, other) {
  const [a, b] = [instant(one.updated_at), instant(other.updated_at)];
  return a === b ? (one.id < other.id ? 1 : -1) : a < b ? 1 : -1;
}

/**
 * Return how far an offset is behind another: infinitely where they are of two streams, undefined where a server of
 * another release writes them in another way; then the order in which events come is trusted, and revisions decide.
 * @param {string} from
 * @param {string} to
 */
function distance(from, to) {
  const [one, other] = [from, to].map((offset) => /^(\w+)\.(\d+)$/.exec(offset));
  if (!one || !other) return undefined;
  return one[1] === other[1] ? Number(other[2]) - Number(one[2]) : Infinity;
}

/** @param {string} [one] @param {string} [other] */
function isBefore(one = "", other = "") {
  const step = distance(one, other) ?? 0;
  return step > 0 && step < Infinity;
}
