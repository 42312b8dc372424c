// Tabs of one browser: a lock that one of them has, and messages to the others. In Node, clients of one process.

/** @type {Map<string, Promise<unknown>>} */
const queues = new Map();

/**
 * Run `act` while no other tab runs one under this name.
 * @template T
 * @param {string} name
 * @param {() => Promise<T>} act
 * @returns {Promise<T>}
 */
export function locked(name, act) {
  const locks = globalThis.navigator?.locks;
  if (locks) return /** @type {Promise<T>} */ (locks.request(name, act)); // only in secure contexts
  const turn = (queues.get(name) ?? Promise.resolve()).then(act, act);
  const settled = turn.catch(() => {});
  queues.set(name, settled);
  void settled.then(() => queues.get(name) === settled && queues.delete(name));
  return turn;
}

/** Messages between tabs; silent where there is no BroadcastChannel. */
export class Tabs {
  #channel;

  /** @param {string} name @param {(message: any) => void} received */
  constructor(name, received) {
    if (typeof BroadcastChannel === "undefined") return;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => received(data);
    /** @type {{unref?: () => void}} */ (/** @type {unknown} */ (this.#channel)).unref?.();
  }

  /** @param {unknown} message */
  send(message) {
    this.#channel?.postMessage(message);
  }

  close() {
    this.#channel?.close();
    this.#channel = undefined; // what is answered later is said to nobody
  }
}

/** Return the id that this tab, also after a reload, remembers under `key`. @param {string} key */
export function remembered(key) {
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null; // not in a tab, or refused
  }
}

/** Remember an id for this tab alone. @param {string} key @param {string | null} value */
export function remember(key, value) {
  try {
    if (value === null) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, value);
  } catch {} // not in a tab, or refused: the last login of all tabs counts then
}
