// The hub of the stores: through it they ask the server and hear of events, answers and the connection.

import { answerOf } from "./problems.js";
import { later } from "./pauses.js";
import { COMMENT, POST } from "./verbs.js";

/**
 * @typedef {import("./live.js").Live<any, any>} AnyStore
 * @typedef {object} Parts
 * @property {import("./session.js").Session} session
 * @property {import("./connection.js").Connection} connection
 * @property {import("./queue.js").Queue} queue
 * @property {import("./rooms.js").Rooms} rooms
 * @property {import("./rest.js").Rest} rest
 * @property {import("./pauses.js").Pauses} pauses
 */

export const SETTLES_MS = 1_500; // counts follow a write sooner than this, or are not pushed

export class Hub {
  /** @type {Set<AnyStore>} the stores that are open */
  stores = new Set();
  /** @type {Parts["session"]} */ session = /** @type {any} */ (null);
  /** @type {Parts["connection"]} */ connection = /** @type {any} */ (null);
  /** @type {Parts["queue"]} */ queue = /** @type {any} */ (null);
  /** @type {Parts["rooms"]} */ rooms = /** @type {any} */ (null);
  /** @type {Parts["rest"]} */ rest = /** @type {any} */ (null);
  /** @type {Parts["pauses"]} */ pauses = /** @type {any} */ (null);

  /** Tell every open store a fact; a store that cannot read it, as of another release, is fetched again. @param {import("./merge.js").Fact} fact */
  tell(fact) {
    for (const store of [...this.stores]) {
      try {
        store.hear(fact);
      } catch {
        void store.refresh();
      }
    }
    if (fact.event !== "feed.changed") return;
    for (const store of [...this.stores]) void store.refresh(); // the reader may see other people now
  }

  /** Tell the stores the answer to a write. @param {import("./queue.js").Answer} answer */
  answered({ write, data }) {
    this.tell({ event: "answer", data, write });
    later(() => void this.#settle(write), SETTLES_MS);
  }

  /** The writes without an answer are others. */
  changed() {
    for (const store of [...this.stores]) store.render();
  }

  /** @param {boolean} recovered */
  connected(recovered) {
    this.rooms.reset();
    for (const store of [...this.stores]) store.connected(recovered);
  }

  /** The connection is lost. */
  disconnected() {
    for (const store of [...this.stores]) store.disconnected();
  }

  /** Perhaps somebody else is logged in. */
  userChanged() {
    for (const store of [...this.stores]) store.userChanged();
  }

  /** Read a post or comment again whose counts were not pushed since this write. @param {import("./queue.js").Write} write */
  async #settle({ key, args: { post_id, comment_id } }) {
    const settles = (/** @type {any} */ item) => Object.values(item.settling ?? {}).some((each) => each.key === key);
    if (![...this.stores].some((store) => store._items.some(settles))) return;
    const [event, path] = comment_id ? ["comment.read", COMMENT] : ["post.read", POST];
    const ask = /** @type {any} */ (this.rest).GET;
    const data = await answerOf(ask(path, { params: { path: { post_id, comment_id } } })).catch(() => null);
    if (data) this.tell({ event, data }); // else it settles with the next fetch
  }
}
