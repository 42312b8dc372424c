// Waiting before the next attempt, with an early end when the network is back.

const FIRST_MS = 500;
const LONGEST_MS = 10_000;

/** Start a timer that does not keep a program of Node running. @param {() => void} act @param {number} ms */
export function later(act, ms) {
  const timer = setTimeout(act, ms);
  /** @type {{unref?: () => void}} */ (/** @type {unknown} */ (timer)).unref?.();
  return timer;
}

/** Pauses between attempts; all end early by `wake`, and for good by `close`. */
export class Pauses {
  /** @type {Map<() => void, boolean>} ends of pauses, and whether a network that is back ends them */
  #sleeping = new Map();
  closed = false;

  /**
   * Wait longer after each attempt, by chance up to a half more so that clients do not come back together.
   * @param {number} attempt counted from 0
   * @param {{status: number, retry_after: number}} [problem] of the attempt; with an answer, time alone ends the pause
   */
  async after(attempt, { status, retry_after } = { status: 0, retry_after: 0 }) {
    const ms = Math.min(FIRST_MS * 2 ** attempt, LONGEST_MS) * (1 + Math.random() / 2);
    if (this.closed) return;
    await new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#sleeping.delete(end);
        resolve(undefined);
      };
      const timer = setTimeout(end, Math.max(ms, retry_after * 1000));
      this.#sleeping.set(end, status === 0);
    });
  }

  /** End the pauses of those who had no answer: the network is back. */
  wake() {
    for (const [end, early] of [...this.#sleeping]) if (early) end();
  }

  /** End all pauses, also those to come. */
  close() {
    this.closed = true;
    for (const end of [...this.#sleeping.keys()]) end();
  }
}
