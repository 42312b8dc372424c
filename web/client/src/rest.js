// REST: openapi-fetch with the token of the session, which is renewed and sent again where it has expired.

import createClient from "openapi-fetch";
import { later } from "./pauses.js";
import { PlazaError } from "./problems.js";

/**
 * @typedef {import("../types/rest").paths} paths
 * @typedef {import("openapi-fetch").Client<paths>} Rest
 * @typedef {(request: Request, init: {signal: AbortSignal}) => Promise<Response>} Fetch
 */

const DEADLINE_MS = 30_000; // a connection that died silently must not hold a request for ever
const UPLOAD_DEADLINE_MS = 300_000;

/** Return REST without a token. @param {string} url @param {Fetch} fetch @returns {Rest} */
export function openRest(url, fetch) {
  return createClient({ baseUrl: url.replace(/\/+$/, ""), fetch: (request) => send(fetch, request, null) });
}

/**
 * Return REST with the token of a session.
 * @param {string} url
 * @param {Fetch} fetch
 * @param {import("./session.js").Session} session
 * @param {(answered: boolean) => void} reached called after each request
 * @returns {Rest}
 */
export function sessionRest(url, fetch, session, reached) {
  /** @param {Request} request @param {string | null} token */
  const ask = async (request, token) => {
    try {
      const response = await send(fetch, request, token);
      reached(response.status < 500);
      return response;
    } catch (error) {
      reached(false);
      throw error;
    }
  };
  return createClient({
    baseUrl: url.replace(/\/+$/, ""),
    async fetch(request) {
      const begun = session.user_id;
      await session.ready;
      const id = begun ?? session.user_id;
      const sameUser = () => {
        const problem = { status: 401, code: "session_changed", title: "Somebody else logged in" };
        if (session.user_id !== id) throw new PlazaError(problem);
      };
      const token = await session.token();
      sameUser(); // never with the token of somebody who logged in meanwhile
      const response = await ask(request, token);
      if (response.status !== 401 || !token) return response;
      const { code } = await response.clone().json().catch(() => ({}));
      if (code === "session_revoked" && token === session.access_token) session.end(code);
      if (code !== "token_expired" && code !== "invalid_token") return response;
      await session.renew(token);
      sameUser();
      return session.access_token === token ? response : ask(request, session.access_token);
    },
  });
}

/**
 * Send a copy of a request, which ends after a while, also in the middle of its answer.
 * @param {Fetch} fetch
 * @param {Request} request
 * @param {string | null} token
 */
function send(fetch, request, token) {
  const asked = request.signal;
  const ending = new AbortController();
  const { signal } = ending;
  const end = () => ending.abort(asked.reason);
  const upload = request.headers.get("Content-Type")?.startsWith("multipart/");
  later(end, upload ? UPLOAD_DEADLINE_MS : DEADLINE_MS); // which keeps `ending`: Node 20 forgets signals of `AbortSignal.any`
  if (asked.aborted) end();
  asked.addEventListener("abort", end);
  const sent = new Request(request.clone(), { signal, redirect: "error" });
  if (token) sent.headers.set("Authorization", `Bearer ${token}`);
  return fetch(sent, { signal }); // that of `sent` alone is forgotten once the answer begins
}
