// A Plaza server, as an app of one person uses it.

import { Connection } from "./connection.js";
import { Feed } from "./feed.js";
import { Hub } from "./hub.js";
import { Comments, List } from "./lists.js";
import { kinds } from "./merge.js";
import { Notifications } from "./notifications.js";
import { Pauses } from "./pauses.js";
import { PresenceStore, ProfileStore, TypingStore } from "./people.js";
import { PostStore } from "./post.js";
import { answerOf, asPlazaError } from "./problems.js";
import { Queue, randomKey } from "./queue.js";
import { openRest, sessionRest } from "./rest.js";
import { Rooms } from "./rooms.js";
import { Session } from "./session.js";
import { Kept, defaultStorage } from "./storage.js";
import { Tabs } from "./tabs.js";
import { Writes } from "./writes.js";

/**
 * @typedef {import("../types/rest").components["schemas"]} Schemas
 * @typedef {keyof import("../types/rest").paths} Path
 * @typedef {object} Options
 * @property {string} url of the REST API
 * @property {string} [realtime] URL of the gateway of sockets; `url` where it is not given
 * @property {import("./storage.js").Storage} [storage] keeps tokens and queued writes
 * @property {import("./rest.js").Fetch} [fetch]
 * @property {Partial<import("socket.io-client").ManagerOptions & import("socket.io-client").SocketOptions>} [socket]
 * @property {(write: {verb: string, args: Record<string, any>}, error: import("./problems.js").PlazaError) => void} [refused]
 *   called for a refused write of before a reload, which nobody awaits any more
 * @property {number} [poll_ms] after how long the open stores are fetched again while no socket gets through
 */

/** Lists whose items are posts, which then stay current. @type {Path[]} */
const POSTS = ["/v1/users/{username}/posts", "/v1/hashtags/{tag}/posts", "/v1/bookmarks", "/v1/search"];
const MOST_CLOSED = 100; // stores without a subscriber that are kept for when a reader comes back

/** Return a client of a Plaza server. @param {Options} options */
export function createPlaza(options) {
  return new Plaza(options);
}

export class Plaza extends Writes {
  #hub;
  #tabs;
  #open;
  #unlisten;
  /** @type {Map<string, import("./live.js").Live<any, any>>} */
  #stores = new Map();

  /** @param {Options} options */
  constructor({ url, realtime = url, storage = defaultStorage(), fetch = (request, init) => globalThis.fetch(request, init), socket = {}, refused, poll_ms = 30_000 }) {
    super();
    const scope = `plaza:${url}:${storage.name ?? Math.random()}`;
    const pauses = new Pauses();
    const kept = new Kept(storage, `${url} `);
    const hub = (this.#hub = new Hub());
    this.#open = openRest(url, fetch);
    this.#tabs = new Tabs(scope, (message) => {
      session.heard(message);
      queue.heard(message);
    });
    const tabs = this.#tabs;
    const session = new Session({ scope, kept, tabs, pauses, open: this.#open });
    const rest = sessionRest(url, fetch, session, (answered) => {
      if (answered) pauses.wake(); // what waits for the network need not wait any longer
      connection.reached(answered);
    });
    const connection = new Connection({
      realtime, options: socket, session, pauses, poll_ms,
      connected: (recovered) => hub.connected(recovered),
      disconnected: () => hub.disconnected(),
      pushed: (event, data, offset) => hub.tell({ event, data, ...(offset !== undefined && { offset }) }),
    });
    const queue = new Queue({
      scope, kept, session, rest, tabs, pauses,
      changed: () => {
        connection.note({ waiting: queue.pending.length });
        hub.changed();
      },
      answered: (answer) => hub.answered(answer),
      refused: (write, error) => refused?.(write, error),
    });
    this._write = queue.add.bind(queue);
    const rooms = new Rooms(connection, (event, data) => hub.tell({ event, data }));
    kept.onchange = () => connection.note({ stored: kept.stored });
    session.onTokens(() => hub.userChanged());
    Object.assign(hub, { session, connection, queue, rooms, rest, pauses });
    this.#unlisten = onNetwork(() => connection.hurry(), () => connection.lost());

    /** The login of this tab. */
    this.session = session;
    /** The state of the connection, and how many writes wait. */
    this.connection = connection;
    /** REST, for operations without a verb or store of their own. */
    this.rest = rest;
    /** Resolves once it is known whether somebody is logged in. */
    this.ready = session.ready;
    /** Notifications of the person who is logged in. */
    this.notifications = new Notifications(hub);
    /** Home timeline of the person who is logged in. */
    this.feed = new Feed(hub);
  }

  /** Open an account, and a session here. @param {Schemas["Register"]} body */
  register(body) {
    return this.session.begin(answerOf(this.#open.POST("/v1/auth/register", { body })));
  }

  /** Open a session here. @param {Schemas["Login"]} body */
  login(body) {
    return this.session.begin(answerOf(this.#open.POST("/v1/auth/login", { body })));
  }

  /** End the session, here and at the server. Writes that wait are sent when the same person logs in again. */
  logout() {
    return this.session.logout();
  }

  /** A post. @param {string} id */
  post(id) {
    return this.#store(["post", id], () => new PostStore(this.#hub, id));
  }

  /**
   * Comments on a post, or with `parent` the replies to one of them.
   * @param {string} id
   * @param {{sort?: "newest" | "oldest" | "top", parent?: string}} [options]
   */
  comments(id, options = {}) {
    return this.#store(["comments", id, options.sort, options.parent], () => new Comments(this.#hub, id, options));
  }

  /** People who are writing a comment on a post. @param {string} id */
  typing(id) {
    return this.#store(["typing", id], () => new TypingStore(this.#hub, id));
  }

  /** Whether these people are online. @param {string[]} ids */
  presence(ids) {
    return this.#store(["presence", ...ids], () => new PresenceStore(this.#hub, ids));
  }

  /** A person's profile. @param {string} username */
  user(username) {
    return this.#store(["user", username], () => new ProfileStore(this.#hub, username));
  }

  /** A person's posts. @param {string} username @returns {List<Schemas["Post"]>} */
  posts(username) {
    return this.list("/v1/users/{username}/posts", { path: { username } });
  }

  /**
   * Any list of REST, by its path in the document.
   * @param {Path} path
   * @param {{path?: Record<string, string>, query?: Record<string, any>}} [params]
   * @returns {List<any>}
   */
  list(path, { path: params = {}, query = {} } = {}) {
    const kind = POSTS.includes(path) ? kinds.post : null;
    return this.#store(["list", path, params, query], () => new List(this.#hub, { path, params, query, kind }));
  }

  /**
   * Send a picture; answers what `publish({media: [picture.id]})` needs.
   * @param {Blob} file
   * @param {{alt?: string}} [options]
   * @returns {Promise<Schemas["MediaRef"]>}
   */
  async upload(file, { alt = "" } = {}) {
    const { pauses, rest } = this.#hub;
    const form = new FormData();
    form.set("alt", alt);
    form.set("file", file);
    const header = { "Idempotency-Key": randomKey() };
    for (let attempt = 0; ; attempt++) {
      try {
        const body = /** @type {any} */ (form);
        return await answerOf(rest.POST("/v1/media", { params: { header }, body, bodySerializer: () => form }));
      } catch (error) {
        const problem = asPlazaError(error);
        if (!problem.passing || pauses.closed) throw problem;
        await pauses.after(attempt, problem);
      }
    }
  }

  /** Show those who watch a post that you are writing a comment. @param {string} post_id */
  sayTyping(post_id) {
    this.connection.ask("typing", { post_id }).catch(() => {}); // a hint that may be lost
  }

  /** Close the connection. Writes that wait are kept. */
  close() {
    this.#unlisten();
    this.#hub.pauses.close();
    this.session.close();
    this.connection.close();
    this.#tabs.close();
  }

  /**
   * @template {import("./live.js").Live<any, any>} S
   * @param {unknown[]} key
   * @param {() => S} make
   * @returns {S}
   */
  #store(key, make) {
    const name = JSON.stringify(key);
    const store = this.#stores.get(name) ?? make();
    this.#stores.delete(name);
    this.#stores.set(name, store); // the one used last is last
    for (const [old, { _open }] of this.#stores) {
      if (this.#stores.size <= MOST_CLOSED) break;
      if (!_open && old !== name) this.#stores.delete(old);
    }
    return /** @type {S} */ (store);
  }
}

/** Call `back` and `gone` as the browser says; return the function that ends it. @param {() => void} back @param {() => void} gone */
function onNetwork(back, gone) {
  const end = new AbortController();
  const { signal } = end;
  globalThis.window?.addEventListener("online", back, { signal });
  globalThis.window?.addEventListener("offline", gone, { signal });
  return () => end.abort();
}
