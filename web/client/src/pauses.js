// Waiting before the next attempt, with an early end when the network is back.

const FIRST_MS = 500;
const LONGEST_MS = 30_000;

/** Start a timer that does not keep a program of Node running. @param {() => void} act @param {number} ms */
export function later(act, ms) {
  const timer = setTimeout(act, ms);
  /** @type {{unref?: () => void}} */ (/** @type {unknown} */ (timer)).unref?.();
  return timer;
}

/** Pauses between attempts; all end early by `wake`, and for good by `close`. */
export class Pauses {
  /** @type {Set<() => void>} */
  #sleeping = new Set();
  closed = false;

  /**
   * Wait longer after each attempt, by chance up to a half more so that clients do not come back together.
   * @param {number} attempt counted from 0
   * @param {number} [least_s] seconds that the server asks for
   */
  async after(attempt, least_s = 0) {
    const ms = Math.min(FIRST_MS * 2 ** attempt, LONGEST_MS) * (1 + Math.random() / 2);
    if (this.closed) return;
    await new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#sleeping.delete(end);
        resolve(undefined);
      };
      const timer = setTimeout(end, Math.max(ms, least_s * 1000));
      if (!least_s || this.closed) this.#sleeping.add(end);
    });
  }

  /** End all pauses but those that the server asked for. */
  wake() {
    for (const end of [...this.#sleeping]) end();
  }

  /** End all pauses, also those to come. */
  close() {
    this.closed = true;
    this.wake();
  }
}
