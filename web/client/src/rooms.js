// The rooms of the socket: entered while a store needs them, and anew on each connection.

const AT_ONCE = 100; // people in one message

export class Rooms {
  #connection;
  /** @type {Map<string, Set<object>>} the stores that need a room */
  #owners = new Map();
  /** @type {Map<string, Promise<boolean>>} the posts' rooms of this connection */
  #entered = new Map();
  #told;

  /**
   * @param {import("./connection.js").Connection} connection
   * @param {(event: string, data: any) => void} told hears the counts of the rooms
   */
  constructor(connection, told) {
    this.#connection = connection;
    this.#told = told;
  }

  /** Forget what the connection before this one was in. */
  reset() {
    this.#entered.clear();
  }

  /** Be in the rooms of these posts, and of no others, for a store; return whether it is. @param {object} owner @param {string[]} ids */
  async posts(owner, ids) {
    const wanted = this.#keep(owner, ids.map((id) => `post:${id}`));
    if (!this.#connection.connected) return false;
    const entering = wanted.map((key, at) => this.#entered.get(key) ?? this.#enter(key, /** @type {string} */ (ids[at])));
    return (await Promise.all(entering)).every(Boolean);
  }

  /** Be in the presence rooms of these people for a store; return who of them is online. @param {object} owner @param {string[]} ids */
  async people(owner, ids) {
    this.#keep(owner, ids.map((id) => `presence:${id}`));
    const asked = [];
    for (let at = 0; at < ids.length; at += AT_ONCE) {
      asked.push(this.#connection.ask("presence.watch", { user_ids: ids.slice(at, at + AT_ONCE) }));
    }
    return (await Promise.all(asked)).flatMap(({ people }) => people ?? []);
  }

  /** Leave the rooms that only this store needed. @param {object} owner */
  leave(owner) {
    this.#keep(owner, []);
  }

  /** @param {object} owner @param {string[]} keys */
  #keep(owner, keys) {
    for (const [key, owners] of this.#owners) {
      if (keys.includes(key) || !owners.delete(owner) || owners.size) continue;
      this.#owners.delete(key);
      this.#entered.delete(key);
      const [kind, id = ""] = key.split(":");
      const left = kind === "post" ? this.#connection.ask("post.unwatch", { post_id: id })
        : this.#connection.ask("presence.unwatch", { user_ids: [id] });
      left.catch(() => {}); // without a connection it is in no room
    }
    for (const key of keys) this.#owners.set(key, (this.#owners.get(key) ?? new Set()).add(owner));
    return keys;
  }

  /** @param {string} key @param {string} post_id */
  #enter(key, post_id) {
    const entering = this.#connection.ask("post.watch", { post_id }).then((stats) => {
      this.#told("post.stats", stats);
      return true;
    }, (error) => {
      if (error.passing) this.#entered.delete(key);
      return !error.passing; // a room that it may not enter is no reason to try again
    });
    this.#entered.set(key, entering);
    return entering;
  }
}
