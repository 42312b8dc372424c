// The socket: it comes back by itself, with a fresh token, and says in which state the connection is.

import { io } from "socket.io-client";
import { PlazaError, asPlazaError } from "./problems.js";
import { later } from "./pauses.js";
import { Store } from "./store.js";

/**
 * @typedef {import("../types/events").ClientToServerEvents} Asked
 * @typedef {import("../types/events").ServerToClientEvents} Pushed
 * @typedef {import("socket.io-client").Socket<Pushed, Asked>} Socket
 * @typedef {object} ConnectionSnapshot
 * @property {"online" | "connecting" | "degraded" | "offline"} state degraded: REST answers, and no socket gets through
 * @property {number} waiting writes that the server has not answered
 * @property {boolean} stored whether these writes and the session survive a reload
 */
/**
 * @template {keyof Asked} E
 * @typedef {Extract<Parameters<Parameters<Asked[E]>[1]>[0], {ok: true}>["data"]} Acked
 */

const ACK_MS = 10_000;
const PATIENCE_MS = 3_000; // after so long without a connection it is called offline

/** @extends {Store<ConnectionSnapshot>} */
export class Connection extends Store {
  #context;
  /** @type {Socket | null} */
  #socket = null;
  #user = /** @type {string | null} */ (null);
  #refused = 0; // refusals in a row
  #answered = false; // whether REST was, since the socket was lost
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #impatience;

  /**
   * @param {object} context
   * @param {string} context.realtime
   * @param {object} context.options of socket.io-client
   * @param {import("./session.js").Session} context.session
   * @param {import("./pauses.js").Pauses} context.pauses
   * @param {number} context.poll_ms
   * @param {(recovered: boolean) => void} context.connected fetches again what may have been missed
   * @param {() => void} context.disconnected
   * @param {(event: string, data: any, offset?: string) => void} context.pushed
   */
  constructor(context) {
    super({ state: "connecting", waiting: 0, stored: true });
    this.#context = context;
    context.session.onTokens(() => this.#tokensChanged());
  }

  /** Whether messages can be sent now. */
  get connected() {
    return this.#socket?.connected ?? false;
  }

  /** Change fields of the snapshot. @param {Partial<ConnectionSnapshot>} fields */
  note(fields) {
    const now = this.get();
    const changed = Object.entries(fields).some(([name, value]) => now[/** @type {keyof now} */ (name)] !== value);
    if (changed) this._set({ ...now, ...fields });
  }

  /**
   * Send a message and return the data of its ack; throws PlazaError.
   * @template {keyof Asked} E
   * @param {E} event
   * @param {Parameters<Asked[E]>[0]} message
   * @returns {Promise<Acked<E>>}
   */
  async ask(event, message) {
    const socket = this.#socket;
    if (!socket?.connected) throw asPlazaError(new Error("not connected"));
    /** @type {any} */
    const sending = socket.timeout(ACK_MS);
    const ack = await sending.emitWithAck(event, message).catch((/** @type {unknown} */ error) => {
      throw asPlazaError(error);
    });
    if (!ack.ok) throw new PlazaError(ack.problem ?? {});
    return ack.data;
  }

  /** Try again now: the network says it is back. */
  hurry() {
    this.#context.pauses.wake();
    if (this.#socket && !this.#socket.connected) this.#socket.disconnect().connect();
  }

  /** The network says that it is gone. */
  lost() {
    this.reached(false);
    if (!this.connected) this.note({ state: "offline" });
  }

  /** REST was answered, or not. @param {boolean} answered */
  reached(answered) {
    this.#answered = answered;
    const { state } = this.get();
    if (this.#user && (state === "offline" || state === "degraded")) this.note({ state: this.#away });
  }

  /** @returns {"degraded" | "offline"} */
  get #away() {
    return this.#answered ? "degraded" : "offline";
  }

  /** Close the socket. */
  close() {
    this.#socket?.disconnect();
    this.#socket = null;
    this.#user = null;
    clearTimeout(this.#impatience);
  }

  #tokensChanged() {
    const { session } = this.#context;
    if (session.user_id !== this.#user) {
      this.close();
      this.#user = session.user_id;
      if (this.#user) this.#connect();
      else this.note({ state: "offline" });
    } else if (this.connected && session.access_token) {
      this.ask("session.renew", { token: session.access_token }).catch(() => {}); // else it ends and comes back
    }
  }

  #connect() {
    const { realtime, options, session } = this.#context;
    const socket = /** @type {Socket} */ (io(realtime, {
      forceNew: true, // another account on this page has a connection of its own
      reconnectionDelay: 500,
      reconnectionDelayMax: 10_000,
      ...options,
      auth: (/** @type {(auth: object) => void} */ send) => {
        const offer = () => send({ token: session.access_token });
        session.token().then(offer, offer); // an expired token is refused, and renewed then
      },
    }));
    this.#socket = socket;
    this.note({ state: "connecting" });
    this.#beImpatient();
    socket.on("connect", () => {
      this.#refused = 0;
      clearTimeout(this.#impatience);
      this.note({ state: "online" });
      this.#context.pauses.wake();
      this.#context.connected(socket.recovered);
    });
    socket.on("disconnect", (reason) => {
      if (this.#socket !== socket) return;
      this.note({ state: "connecting" });
      this.#beImpatient();
      this.#context.disconnected();
      if (reason === "io server disconnect") socket.connect(); // by itself it would stay away
    });
    socket.on("connect_error", (error) => {
      if (this.#socket === socket && !socket.active) void this.#comeBack(socket, error);
    });
    socket.onAny((event, data, offset) => {
      if (this.#socket === socket) this.#received(socket, event, data, offset);
    });
  }

  /** @param {Socket} socket @param {string} event @param {any} data @param {string} [offset] */
  #received(socket, event, data, offset) {
    if (event === "drain") later(() => socket.connected && socket.io.engine.close(), data?.after_ms ?? 0);
    else if (event === "session.revoked") this.#context.session.end(data?.reason ?? "session_revoked");
    else this.#context.pushed(event, data, offset);
  }

  /** Connect again after a refusal. @param {Socket} socket @param {Error & {data?: any}} error */
  async #comeBack(socket, { data }) {
    const { session, pauses } = this.#context;
    const old = session.access_token;
    if (data?.code === "session_revoked") return session.end(data.code);
    if (data?.code === "token_expired" || data?.code === "invalid_token") await session.renew(old).catch(() => {});
    if (old === session.access_token) await pauses.after(this.#refused++);
    if (this.#socket === socket && !socket.connected) socket.connect();
  }

  #beImpatient() {
    clearTimeout(this.#impatience);
    this.#answered = false;
    const { connected, poll_ms } = this.#context;
    const miss = () => {
      this.note({ state: this.#away });
      connected(false); // REST has what no socket brings
      this.#impatience = later(miss, poll_ms * (1 + Math.random())); // by chance: all lose a gateway at once
    };
    this.#impatience = later(miss, PATIENCE_MS);
  }
}
