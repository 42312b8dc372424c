// What every view shares: the client, the route, and signals of who is here and what to say.

import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { PlazaError, createPlaza } from "plaza-client";
import { compareRelease } from "./release.js";

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
  refused: giveBack,
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

let [was, began] = ["", false]; // began: it has connected, or could not
connection.subscribe(({ state }) => {
  if (state === "online" && state !== was && began) void compareRelease(); // servers may have been replaced meanwhile
  began ||= state !== "connecting";
  was = state;
});

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
    say(reason(error), "bad");
  }
}

/** Return a problem in words for the reader. */
export function reason(error) {
  if (!(error instanceof PlazaError) || !error.status) return "The server does not answer.";
  return [405, 501].includes(error.status) ? "This server does not offer that." : error.message;
}

/** Ask REST for what has no verb; throws PlazaError. */
export async function ask(method, path, options = {}) {
  const { data, error, response } = await plaza.rest[method](path, options);
  if (!response.ok) throw new PlazaError({ status: response.status, title: response.statusText, ...error });
  return data;
}

/** Whether the last small thing was kept: storage may be full, or refused. */
export const keeps = signal(true);

/** Keep something small for the next visit; a browser that refuses storage forgets it. */
const kept = {
  get: (key) => tried(() => localStorage.getItem(`plaza.${key}`)) ?? "",
  set: (key, value) => (keeps.value = tried(() => ((value ? localStorage.setItem(`plaza.${key}`, value) : localStorage.removeItem(`plaza.${key}`)), true)) ?? false),
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

const drafts = new Map();

/** A text that is being written, as a signal that survives a reload. */
function draft(name) {
  if (!drafts.has(name)) {
    const text = signal(kept.get(`draft.${name}`));
    drafts.set(name, text);
    text.subscribe((now) => now !== kept.get(`draft.${name}`) && kept.set(`draft.${name}`, now));
  }
  return drafts.get(name);
}

/** The draft of a post, or of a comment on one: its text, and functions that change it and put back a text that was refused. */
export function useDraft(post_id, parent) {
  const text = draft(nameOf(me().id, post_id, parent));
  return [text.value, (now) => (text.value = now), (refused) => putBack(text, refused)];
}

/** Put a text into a draft, without losing what was written there meanwhile. */
const putBack = (draft, text) => (draft.value = [text, draft.value].filter(Boolean).join("\n\n"));

const nameOf = (user_id, post_id, parent) => [user_id, post_id, parent].filter(Boolean).join(".");

/** Say that a write of before a reload was refused, and put its text back where it can be sent again. */
function giveBack({ verb, user_id, args: { text, post_id, parent_id } }, error) {
  const comment = verb === "comment";
  say(`Something you did earlier was refused (${verb}): ${reason(error)}${text ? ` Its text is back ${comment ? "below its post" : "at Home"}.` : ""}`, "bad");
  if (text) putBack(draft(comment ? nameOf(user_id, post_id, parent_id) : user_id), text);
}
