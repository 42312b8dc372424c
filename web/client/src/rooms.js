// The rooms of the socket: entered while a store needs them, and anew on each connection.

const AT_ONCE = 100; // people in one message

export class Rooms {
  #connection;
  /** @type {Map<string, Set<object>>} the stores that need a room */
  #owners = new Map();
  /** @type {Map<string, Promise<boolean>>} the rooms of this connection */
  #entered = new Map();
  #told;

  /**
   * @param {import("./connection.js").Connection} connection
   * @param {(event: string, data: any) => void} told hears the snapshots of the rooms
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
    for (const key of wanted) this.#enter([key], () => this.#watchPost(key.slice(5)));
    return this.#all(wanted);
  }

  /** Be in the presence rooms of these people for a store; return whether it is. @param {object} owner @param {string[]} ids */
  async people(owner, ids) {
    const wanted = this.#keep(owner, ids.map((id) => `presence:${id}`));
    if (!this.#connection.connected) return false;
    const fresh = wanted.filter((key) => !this.#entered.has(key));
    for (let at = 0; at < fresh.length; at += AT_ONCE) {
      const some = fresh.slice(at, at + AT_ONCE);
      this.#enter(some, () => this.#watchPeople(some.map((key) => key.slice(9))));
    }
    return this.#all(wanted);
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

  /** @param {string[]} keys @param {() => Promise<void>} watch */
  #enter(keys, watch) {
    if (keys.every((key) => this.#entered.has(key))) return;
    const entering = watch().then(() => true, (error) => {
      if (error.passing) for (const key of keys) this.#entered.delete(key);
      return !error.passing; // a room that it may not enter is no reason to try again
    });
    for (const key of keys) this.#entered.set(key, entering);
  }

  /** @param {string[]} keys */
  async #all(keys) {
    return (await Promise.all(keys.map((key) => this.#entered.get(key) ?? false))).every(Boolean);
  }

  /** @param {string} post_id */
  async #watchPost(post_id) {
    this.#told("post.stats", await this.#connection.ask("post.watch", { post_id }));
  }

  /** @param {string[]} user_ids */
  async #watchPeople(user_ids) {
    const { people } = await this.#connection.ask("presence.watch", { user_ids });
    for (const person of people ?? []) this.#told("presence", person);
  }
}
