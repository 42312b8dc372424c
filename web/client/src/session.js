// The login of this tab: its tokens are renewed before they expire, once for all tabs of its person.

import { PlazaError, answerOf, asPlazaError } from "./problems.js";
import { later } from "./pauses.js";
import { Store } from "./store.js";
import { locked, remember, remembered } from "./tabs.js";

/**
 * @typedef {import("../types/rest").components["schemas"]} Schemas
 * @typedef {Schemas["Tokens"]} Tokens
 * @typedef {{tokens: Tokens, received_ms: number}} Login tokens, and when they came by the clock of this machine
 * @typedef {object} SessionSnapshot
 * @property {"loading" | "anonymous" | "active" | "ended"} state
 * @property {Schemas["UserRef"] | null} user
 * @property {string | null} reason why a session ended
 */

const EARLY = 0.2; // renewed when this part of a token's life is left: time for many attempts
const SPREAD = 0.05; // by chance so much sooner: tabs and clients do not ask together
const SPARE_MS = 5_000; // a token that lives no longer may expire on its way
const ENDS = ["session_revoked", "invalid_refresh_token", "refresh_token_reused", "account_suspended"];
const CURRENT = "current";

/** @extends {Store<SessionSnapshot>} */
export class Session extends Store {
  #context;
  #tab;
  /** @type {Login | null} */
  #login = null;
  #expires = 0; // by `performance.now()`, which no wrong or changed clock touches
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {Promise<void> | null} */
  #renewing = null;
  /** @type {(() => void)[]} */
  #watchers = [];

  /**
   * @param {object} context
   * @param {string} context.scope names what tabs share
   * @param {import("./storage.js").Kept} context.kept
   * @param {import("./tabs.js").Tabs} context.tabs
   * @param {import("./pauses.js").Pauses} context.pauses
   * @param {import("./rest.js").Rest} context.open REST without a token
   */
  constructor(context) {
    super({ state: "loading", user: null, reason: null });
    this.#context = context;
    this.#tab = context.scope;
    /** Resolves once it is known whether somebody is logged in. */
    this.ready = this.#restore();
  }

  /** The id of the person who is logged in. */
  get user_id() {
    return this.#login?.tokens.user.id ?? null;
  }

  /** The last access token, which may have expired. */
  get access_token() {
    return this.#login?.tokens.access_token ?? null;
  }

  /** Call `changed` when tokens are new, or there are none any more. @param {() => void} changed */
  onTokens(changed) {
    this.#watchers.push(changed);
  }

  /** Open a session by the answer of a registration or login. @param {Promise<Tokens>} asked */
  async begin(asked) {
    const login = { tokens: await asked, received_ms: Date.now() };
    await this.ready;
    this.#adopt(login);
    await this.#keep(login);
    await this.#context.kept.set(CURRENT, login.tokens.user.id);
    remember(this.#tab, login.tokens.user.id);
    return login.tokens.user;
  }

  /** End the session, here and at the server. */
  async logout() {
    await this.ready;
    const refresh_token = this.#login?.tokens.refresh_token;
    this.end(null);
    if (!refresh_token) return;
    await answerOf(this.#context.open.POST("/v1/auth/logout", { body: { refresh_token } })).catch((error) => {
      if (error.status !== 401) throw error; // it had ended already
    });
  }

  /** Forget the tokens, since the session has ended. @param {string | null} reason null for a logout */
  end(reason) {
    const id = this.user_id;
    if (!id) return;
    this.#forget(reason);
    void this.#context.kept.delete(`session:${id}`);
    this.#context.tabs.send({ ended: id, reason });
  }

  /** Return a token that is good for a while; throws PlazaError where none can be had. */
  async token() {
    await this.ready;
    if (this.#login && this.#expires - performance.now() < SPARE_MS) await this.renew(this.access_token);
    return this.access_token;
  }

  /**
   * Renew the tokens, unless somebody did since `old` was the access token; throws PlazaError.
   * @param {string | null} old
   */
  async renew(old) {
    if (old !== this.access_token || !this.#login) return;
    this.#renewing ??= this.#renew(old).finally(() => (this.#renewing = null));
    await this.#renewing;
  }

  /** Take over what another tab says. @param {{login?: Login, ended?: string, reason?: string | null}} message */
  heard({ login, ended, reason = null }) {
    if (login && login.tokens.user.id === this.user_id) this.#adopt(login);
    if (ended && ended === this.user_id) this.#forget(reason);
  }

  /** Stop renewing. */
  close() {
    clearTimeout(this.#timer);
  }

  async #restore() {
    const { kept } = this.#context;
    const id = remembered(this.#tab) ?? (await kept.get(CURRENT));
    const login = id && (await kept.get(`session:${id}`));
    if (this.#login) return;
    if (!login) return this._set({ state: "anonymous", user: null, reason: null });
    remember(this.#tab, id); // from now on this tab stays with this person, whoever logs in elsewhere
    this.#adopt(login);
  }

  /** @param {string | null} old */
  async #renew(old) {
    const id = this.user_id;
    await locked(`${this.#context.scope}:renew:${id}`, async () => {
      if (old !== this.access_token || !this.#login) return; // another tab told us while we waited
      const saved = /** @type {Login | undefined} */ (await this.#context.kept.get(`session:${id}`));
      if (saved && saved.received_ms > this.#login.received_ms && saved.tokens.access_token !== old) {
        this.#adopt(saved);
        if (this.#expires - performance.now() > SPARE_MS) return;
      }
      const { refresh_token } = this.#login.tokens;
      try {
        const asked = this.#context.open.POST("/v1/auth/refresh-token", { body: { refresh_token } });
        const login = { tokens: await answerOf(asked), received_ms: Date.now() };
        if (this.user_id !== id) return; // logged out meanwhile
        this.#adopt(login);
        this.#context.tabs.send({ login });
        await this.#keep(login);
      } catch (error) {
        if (error instanceof PlazaError && ENDS.includes(error.code) && this.user_id === id) this.end(error.code);
        throw error;
      }
    });
  }

  /** @param {Login} login */
  #adopt(login) {
    const { user, expires_in } = login.tokens;
    const lifetime = expires_in * 1000;
    const age = Date.now() - login.received_ms;
    this.#login = login;
    // A clock that was put right meanwhile makes the age absurd: then renewing at once is the safe answer.
    this.#expires = performance.now() + (age < 0 || age > lifetime ? 0 : lifetime - age);
    const changed = this.get().user?.id !== user.id || this.get().state !== "active";
    if (changed) this._set({ state: "active", user, reason: null });
    this.#schedule(this.#expires - performance.now() - lifetime * (EARLY + Math.random() * SPREAD));
    for (const watcher of this.#watchers) watcher();
  }

  /** @param {Login} login */
  async #keep(login) {
    await this.#context.kept.set(`session:${login.tokens.user.id}`, login);
  }

  /** @param {string | null} reason */
  #forget(reason) {
    clearTimeout(this.#timer);
    this.#login = null;
    remember(this.#tab, null);
    this._set({ state: reason === null ? "anonymous" : "ended", user: null, reason });
    for (const watcher of this.#watchers) watcher();
  }

  /** @param {number} ms */
  #schedule(ms) {
    clearTimeout(this.#timer);
    this.#timer = later(() => void this.#renewUntilAnswered(), Math.max(0, Math.min(ms, 2 ** 31 - 1)));
  }

  async #renewUntilAnswered() {
    const old = this.access_token;
    for (let attempt = 0; old === this.access_token && this.#login && !this.#context.pauses.closed; attempt++) {
      const error = await this.renew(old).then(() => null, asPlazaError);
      if (error && !error.passing) return;
      if (error) await this.#context.pauses.after(attempt, error);
    }
  }
}
