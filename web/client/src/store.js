// A store: a value that never changes in place, and those who want to know when it is another.

/**
 * @template T
 * @typedef {(snapshot: T) => void} Subscriber
 */

/**
 * A snapshot and its subscribers. The first subscriber opens it, and after the last it closes.
 * @template T
 */
export class Store {
  /** @type {Set<Subscriber<T>>} */
  #subscribers = new Set();
  #flushing = false;
  /** @type {T} */
  #snapshot;

  /** @param {T} snapshot */
  constructor(snapshot) {
    this.#snapshot = Object.freeze(snapshot);
  }

  /** Return the current snapshot, which never changes. @type {() => Readonly<T>} */
  get = () => this.#snapshot;

  /**
   * Call back now, and with each new snapshot; return the function that ends it.
   * @type {(callback: Subscriber<Readonly<T>>) => () => void}
   */
  subscribe = (callback) => {
    /** @type {Subscriber<T>} */
    const own = (snapshot) => callback(snapshot); // a callback may subscribe twice
    this.#subscribers.add(own);
    if (this.#subscribers.size === 1) this._opened();
    own(this.#snapshot);
    return () => {
      if (this.#subscribers.delete(own) && !this.#subscribers.size) this._closed();
    };
  };

  /**
   * Write each snapshot to `signal.value`; return the function that ends it.
   * @type {(signal: {value: any}) => () => void}
   */
  bind = (signal) => this.subscribe((snapshot) => (signal.value = snapshot));

  /** Yield the current snapshot and each later one; where several came meanwhile, the newest. */
  async *[Symbol.asyncIterator]() {
    /** @type {() => void} */
    let changed = () => {};
    const stop = this.subscribe(() => changed());
    try {
      while (true) {
        const next = new Promise((resolve) => (changed = () => resolve(undefined)));
        yield this.get();
        await next;
      }
    } finally {
      stop();
    }
  }

  /** Whether anybody subscribes. */
  get _open() {
    return this.#subscribers.size > 0;
  }

  /**
   * Make a snapshot the current one; subscribers hear of the last of several that are set together.
   * @param {T} snapshot
   */
  _set(snapshot) {
    const next = unchangedKept(this.#snapshot, snapshot);
    if (next === this.#snapshot) return;
    this.#snapshot = Object.freeze(next);
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      for (const subscriber of [...this.#subscribers]) {
        try {
          subscriber(this.#snapshot);
        } catch (error) {
          reportError(error);
        }
      }
    });
  }

  /** The first subscriber came. */
  _opened() {}

  /** The last subscriber left. */
  _closed() {}
}

/**
 * Return a snapshot whose unchanged lists are those of the one before it; that one itself where nothing changed.
 * @template T
 * @param {T} old
 * @param {T} next
 * @returns {T}
 */
function unchangedKept(old, next) {
  let changed = false;
  const kept = Object.entries(/** @type {object} */ (next)).map(([name, value]) => {
    const before = /** @type {any} */ (old)[name];
    if (Object.is(before, value)) return [name, value];
    const same = Array.isArray(before) && Array.isArray(value) && equal(before, value);
    changed ||= !same;
    return [name, same ? before : value];
  });
  return changed ? /** @type {T} */ (Object.fromEntries(kept)) : old;
}

/** @param {unknown[]} one @param {unknown[]} other */
function equal(one, other) {
  return one.length === other.length && one.every((item, at) => item === other[at]);
}

/** Report an error of a subscriber without hiding the snapshot from the others. @param {unknown} error */
function reportError(error) {
  setTimeout(() => {
    throw error;
  });
}
