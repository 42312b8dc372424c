// What every view shares: the client, the route, and signals of who is here and what to say.

import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { PlazaError, createPlaza } from "plaza-client";

const home = new URL(".", location.href).href.replace(/\/$/, "");
const port = document.querySelector("meta[name=plaza-gateway-port]").content;

let skew_ms = 0; // how far the server's clock is ahead of this machine's

async function timedFetch(request) {
  const answer = await fetch(request);
  const date = Date.parse(answer.headers.get("Date") ?? "");
  if (date) skew_ms = date - Date.now();
  return answer;
}

export const plaza = createPlaza({
  url: home,
  realtime: port ? `${location.protocol}//${location.hostname}:${port}` : home,
  fetch: timedFetch,
  refused: ({ verb }, error) => say(`Something you did earlier was refused (${verb}): ${error.message}`, "bad"),
});

/** Return now by the server's clock: this machine's may be wrong by an hour. */
export const now = () => Date.now() + skew_ms;

/** Return the address of something the API serves, and nothing for pictures of other sites, which would see the reader. */
export const served = (url) => (url?.startsWith("/") && !url.startsWith("//") ? home + url : null);

/** A store's snapshot; the component is drawn again with each new one. */
export function useLive(store) {
  const [[of, snapshot], set] = useState([store, store.get()]);
  useEffect(() => store.subscribe((next) => set([store, next])), [store]);
  return of === store ? snapshot : store.get();
}

const shared = (store) => {
  const shown = signal(store.get());
  store.bind(shown);
  return shown;
};
export const session = shared(plaza.session);
export const connection = shared(plaza.connection);
export const me = () => session.value.user;

/** Who is logged in, as their profile has it now: the session knows how it was at the login. */
export const useMe = () => useLive(plaza.user(me().username)).value ?? me();

/** People seen so far, by id: events name some people by their ids alone. */
export const seen = new Map();

export const minute = signal(0); // ticks, so that "2 min" does not stay
setInterval(() => minute.value++, 30_000);

export const toasts = signal([]);

/** Say something at the edge of the page; `tone` is good or bad. */
export function say(text, tone = "good") {
  const toast = { text, tone, id: Math.random() };
  toasts.value = [...toasts.value.slice(-2), toast];
  setTimeout(() => (toasts.value = toasts.value.filter((each) => each !== toast)), tone === "bad" ? 9_000 : 4_000);
}

/** Await a write, and say why it was refused; return its answer, or undefined. */
export async function attempt(asked, done) {
  try {
    const answer = await asked;
    if (done) say(done);
    return answer ?? null;
  } catch (error) {
    say(error instanceof PlazaError && error.status ? error.message : "The server does not answer.", "bad");
  }
}

/** Ask REST for what has no verb; throws PlazaError. */
export async function ask(method, path, options = {}) {
  const { data, error, response } = await plaza.rest[method](path, options);
  if (!response.ok) throw new PlazaError({ status: response.status, title: response.statusText, ...error });
  return data;
}

/** Keep something small for the next visit; a browser that refuses storage forgets it. */
export const kept = {
  get: (key) => tried(() => localStorage.getItem(`plaza.${key}`)) ?? "",
  set: (key, value) => tried(() => (value ? localStorage.setItem(`plaza.${key}`, value) : localStorage.removeItem(`plaza.${key}`))),
};

function tried(act) {
  try {
    return act();
  } catch {
    return null;
  }
}

export const theme = signal(kept.get("theme"));
theme.subscribe((value) => {
  kept.set("theme", value);
  if (value) document.documentElement.dataset.theme = value;
  else delete document.documentElement.dataset.theme;
});
