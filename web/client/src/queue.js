// Writes that wait for their answer: kept through a reload, sent in order under their keys, once for all tabs.

import { PlazaError, asPlazaError, answerOf } from "./problems.js";
import { locked } from "./tabs.js";
import { requestOf, verbs } from "./verbs.js";

/**
 * @typedef {object} Write
 * @property {string} key of idempotency
 * @property {string} at orders the writes of a person
 * @property {string} user_id
 * @property {string} verb
 * @property {Record<string, any>} args
 * @property {boolean | number} [tried] when it was first sent, since then it may have happened
 * @typedef {{write: Write, data?: any, refused?: Partial<import("./problems.js").ProblemBody>}} Answer
 */

const DELETED = 404;
const MOST_FAILURES = 8; // doubtful answers in a row, after which a write no longer holds up the others
const KEY_MS = 23 * 3600_000; // the server forgets a key of idempotency after a day
const PERHAPS_DONE = { status: 409, code: "perhaps_done", title: "This may have been done already" };

export class Queue {
  #context;
  /** @type {Map<string, {resolve: (data: any) => void, reject: (error: PlazaError) => void}>} */
  #promises = new Map();
  #draining = false;
  #again = false;
  #last = 0;
  #user = /** @type {string | null} */ (null);
  /** @type {Write[]} the writes of this person without an answer, in order; replaced, never changed in place */
  pending = [];

  /**
   * @param {object} context
   * @param {string} context.scope names what tabs share
   * @param {import("./storage.js").Kept} context.kept
   * @param {import("./session.js").Session} context.session
   * @param {import("./rest.js").Rest} context.rest
   * @param {import("./tabs.js").Tabs} context.tabs
   * @param {import("./pauses.js").Pauses} context.pauses
   * @param {() => void} context.changed `pending` is another
   * @param {(answer: Answer) => void} context.answered called together with `changed`
   * @param {(write: Write, error: PlazaError) => void} context.refused nobody awaits this write any more
   */
  constructor(context) {
    this.#context = context;
    context.session.onTokens(() => void this.#load());
  }

  /**
   * Queue a write; resolves with its answer, and rejects with the PlazaError of a refusal.
   * @param {string} verb
   * @param {Record<string, any>} args
   * @returns {Promise<any>}
   */
  async add(verb, args) {
    const { session, kept, tabs } = this.#context;
    await session.ready;
    const user_id = session.user_id;
    if (!user_id) throw new PlazaError({ status: 401, code: "invalid_token", title: "Log in first" });
    this.#last = Math.max(Date.now(), this.#last + 1); // a clock that goes back changes no order
    const write = { key: randomKey(), at: String(this.#last).padStart(16, "0"), user_id, verb, args };
    const answer = new Promise((resolve, reject) => this.#promises.set(write.key, { resolve, reject }));
    this.#show([...this.pending, write]);
    await kept.set(placeOf(write), write); // before it is sent: a page that ends then does not forget that it tried
    if (kept.stored) tabs.send({ queued: write }); // in memory alone no other tab could send it
    void this.drain();
    return answer;
  }

  /** Send what waits, in order, until nothing waits or there is no session; no two tabs do so at once. */
  async drain() {
    this.#again = true;
    if (this.#draining) return;
    this.#draining = true;
    try {
      while (this.#again && !this.#context.pauses.closed) {
        this.#again = false;
        const id = this.#context.session.user_id;
        if (id) await locked(`${this.#context.scope}:writes:${id}`, () => this.#send(id));
      }
    } finally {
      this.#draining = false;
    }
  }

  /** Take over what another tab says. @param {{queued?: Write, answer?: Answer}} message */
  heard({ queued, answer }) {
    if (queued && queued.user_id === this.#context.session.user_id) {
      this.#show([...this.pending.filter(({ key }) => key !== queued.key), queued]);
      void this.drain(); // where that tab is gone before it is sent
    }
    if (answer && answer.write.user_id === this.#context.session.user_id) this.#settle(answer);
  }

  async #load() {
    const id = this.#context.session.user_id;
    if (id === this.#user) return;
    this.#user = id;
    this.#show([]);
    if (!id) return;
    const found = await this.#stored(id);
    if (id !== this.#user) return;
    const added = this.pending.filter((write) => !found.some(({ key }) => key === write.key));
    this.#show([...found, ...added]);
    await this.drain();
  }

  /** @param {string} id @returns {Promise<Write[]>} */
  async #stored(id) {
    const { kept } = this.#context;
    const writes = await Promise.all((await kept.keys(`write:${id}:`)).map((key) => kept.get(key)));
    const known = writes.filter((write) => write?.args && verbs[write.verb]); // others are of another release
    if (known.length) this.#last = Math.max(this.#last, Number(known[known.length - 1].at));
    return known;
  }

  /** @param {string} id */
  async #send(id) {
    const { session, pauses } = this.#context;
    for (let writes; (writes = await this.#stored(id)).length; ) {
      for (const write of writes) {
        for (let attempt = 0, failures = 0; ; attempt++) {
          if (session.user_id !== id || pauses.closed) return; // the writes wait for this person's next session
          const answer = await this.#try(write, failures + 1 >= MOST_FAILURES);
          if ("write" in answer) {
            await this.#answered(answer);
            break;
          }
          failures = answer.doubtful ? failures + 1 : 0;
          await pauses.after(attempt, answer);
        }
      }
    }
  }

  /** @param {Answer} answer */
  async #answered(answer) {
    await this.#context.kept.delete(placeOf(answer.write));
    this.#context.tabs.send({ answer });
    this.#settle(answer);
  }

  /**
   * Send a write once; return its answer, or the error after which it is sent again.
   * @param {Write} write
   * @param {boolean} last whether a doubtful answer is final
   */
  async #try(write, last) {
    const { tried } = write;
    if (tried && isForgotten(write)) return { write, refused: PERHAPS_DONE };
    if (!tried) await this.#context.kept.set(placeOf(write), (write.tried = Date.now()) && write);
    const { session, rest } = this.#context;
    if (session.user_id !== write.user_id) return new PlazaError({ status: 401 });
    const { method, path, options } = requestOf(write.verb, write.args, write.key);
    try {
      const ask = /** @type {any} */ (rest)[method];
      const data = await answerOf(ask(path, options));
      return /** @type {Answer} */ ({ write: { ...write, tried: !!tried }, data: data ?? null });
    } catch (error) {
      const refusal = asPlazaError(error);
      if (refusal.status === 401 || (refusal.doubtful ? !last : refusal.passing)) return refusal;
      if (tried && refusal.status === DELETED && verbs[write.verb]?.method === "DELETE") return { write, data: null };
      return { write, refused: refusal.problem };
    }
  }

  /** @param {Answer} answer */
  #settle(answer) {
    const { write, data, refused } = answer;
    const promise = this.#promises.get(write.key);
    if (!promise && !this.pending.some(({ key }) => key === write.key)) return;
    this.#promises.delete(write.key);
    this.pending = this.pending.filter(({ key }) => key !== write.key);
    if (!refused) this.#context.answered(answer);
    this.#context.changed();
    if (!refused) promise?.resolve(data);
    else if (promise) promise.reject(new PlazaError(refused));
    else this.#context.refused(write, new PlazaError(refused));
  }

  /** @param {Write[]} pending */
  #show(pending) {
    this.pending = pending.sort((one, other) => (one.at < other.at ? -1 : 1));
    this.#context.changed();
  }
}

/** Return whether sending a write again might do it twice. @param {Write} write */
function isForgotten({ verb, tried, at }) {
  const since = Math.max(Number(tried), Number(at));
  return verbs[verb]?.method === "POST" && verb !== "markRead" && Date.now() - since > KEY_MS;
}

/** @param {Write} write */
function placeOf(write) {
  return `write:${write.user_id}:${write.at}:${write.key}`;
}

/** Return a key of idempotency, also where the page has no secure context. */
export function randomKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
