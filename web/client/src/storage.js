// Storage of tokens and queued writes: IndexedDB or what an app brings, with memory in front of it.

/**
 * @typedef {object} Storage An app's own storage; each function may be async, and may throw.
 * @property {(key: string) => unknown} get
 * @property {(key: string, value: any) => unknown} set
 * @property {(key: string) => unknown} delete
 * @property {(prefix: string) => string[] | Promise<string[]>} keys
 * @property {string} [name] given where other tabs or clients share what is in it
 */

const DEADLINE_MS = 3_000; // a browser may leave a request to IndexedDB without any answer

/** Return a storage in memory. @param {Map<string, unknown>} [map] @returns {Storage} */
export function memoryStorage(map = new Map()) {
  return {
    name: String(Math.random()), // all who have it share it
    get: (key) => map.get(key),
    set: (key, value) => map.set(key, value),
    delete: (key) => map.delete(key),
    keys: (prefix) => [...map.keys()].filter((key) => key.startsWith(prefix)),
  };
}

/** Return a storage in IndexedDB, shared by all tabs of the page's origin. @param {string} name @returns {Storage} */
export function indexedDbStorage(name) {
  /** @type {Promise<IDBDatabase> | undefined} */
  let opened;
  const open = () => (opened ??= new Promise((resolve, reject) => {
    const asked = indexedDB.open(name, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore("kept");
    asked.onerror = () => reject(asked.error);
    asked.onsuccess = () => {
      asked.result.onversionchange = () => asked.result.close();
      asked.result.onclose = () => (opened = undefined);
      resolve(asked.result);
    };
  }));

  /** @template T @param {IDBTransactionMode} mode @param {(store: IDBObjectStore) => IDBRequest<T>} ask @returns {Promise<T>} */
  async function run(mode, ask) {
    const database = await open().catch((error) => {
      opened = undefined;
      throw error;
    });
    return new Promise((resolve, reject) => {
      const transaction = database.transaction("kept", mode);
      const asked = ask(transaction.objectStore("kept"));
      transaction.oncomplete = () => resolve(asked.result); // not sooner: a full disk aborts the commit
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  }

  return {
    name,
    get: (key) => run("readonly", (store) => store.get(key)),
    set: (key, value) => run("readwrite", (store) => store.put(value, key)),
    delete: (key) => run("readwrite", (store) => store.delete(key)),
    keys: (prefix) =>
      run("readonly", (store) => store.getAllKeys(IDBKeyRange.bound(prefix, `${prefix}\uffff`))).then((keys) =>
        keys.map(String),
      ),
  };
}

/** Return the storage to use where an app brings none. @returns {Storage} */
export function defaultStorage() {
  return typeof indexedDB === "undefined" ? memoryStorage() : indexedDbStorage("plaza");
}

/** A storage that loses nothing: what it refuses to write is kept in memory until it takes it. */
export class Kept {
  #storage;
  #prefix;
  /** @type {Map<string, {value: unknown} | null>} what storage did not take; null for what it did not delete */
  #held = new Map();
  /** @type {Set<string>} keys of what it refused, which is offered again after it has taken something else */
  #refused = new Set();
  /** Whether all of it would survive a reload. */
  stored = true;
  /** @type {() => void} */
  onchange = () => {};

  /** @param {Storage} storage @param {string} prefix separates servers from each other */
  constructor(storage, prefix) {
    this.#storage = storage;
    this.#prefix = prefix;
  }

  /** @param {string} key @returns {Promise<any>} */
  async get(key) {
    const held = this.#held.get(key);
    if (held !== undefined) return held?.value;
    return this.#ask(() => this.#storage.get(this.#prefix + key)).catch(() => undefined);
  }

  /** @param {string} key @param {unknown} value */
  async set(key, value) {
    this.#held.set(key, { value }); // readable at once, and in memory should storage fail
    await this.#write(key);
  }

  /** @param {string} key */
  async delete(key) {
    this.#held.set(key, null);
    await this.#write(key);
  }

  /** Return the keys that begin with `prefix`, sorted. @param {string} prefix */
  async keys(prefix) {
    const found = await this.#ask(() => this.#storage.keys(this.#prefix + prefix)).catch(() => []);
    const keys = new Set(found.map((key) => key.slice(this.#prefix.length)));
    for (const [key, held] of this.#held) {
      if (key.startsWith(prefix)) keys[held ? "add" : "delete"](key);
    }
    return [...keys].sort();
  }

  /** Offer storage what is held of a key, and after that one thing it refused before. @param {string} key */
  async #write(key) {
    const held = this.#held.get(key);
    this.#refused.delete(key);
    try {
      await this.#ask(() => (held ? this.#storage.set(this.#prefix + key, held.value) : this.#storage.delete(this.#prefix + key)));
      if (this.#held.get(key) === held) this.#held.delete(key); // not changed meanwhile
      const [next] = this.#refused;
      if (next) void this.#write(next);
    } catch {
      this.#refused.add(key);
    }
    const stored = ![...this.#refused].some((each) => this.#held.get(each));
    if (stored === this.stored) return;
    this.stored = stored;
    this.onchange();
  }

  /** @template T @param {() => T | Promise<T>} ask @returns {Promise<T>} */
  async #ask(ask) {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const late = new Promise((_, reject) => (timer = setTimeout(reject, DEADLINE_MS, new Error("storage is silent"))));
    try {
      return await /** @type {Promise<T>} */ (Promise.race([Promise.resolve().then(ask), late]));
    } finally {
      clearTimeout(timer);
    }
  }
}
