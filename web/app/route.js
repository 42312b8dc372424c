// Where the reader is: the part of the address after #, which no server sees.

import { signal } from "@preact/signals";

const places = new Map(); // how far each address was scrolled
let moved = false; // by a link, not by the browser's back and forward
let focused = "main h1"; // once the next view is there
let from = location.hash;

const part = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

function current() {
  const mailed = /\/(verify-email|reset-password)$/.exec(location.pathname)?.[1];
  if (mailed) return { view: mailed, id: new URLSearchParams(location.hash.slice(1)).get("token") ?? "" };
  const [view = "", id = "", more = ""] = location.hash.replace(/^#\/?/, "").split("/").map(part);
  return view.startsWith("@") ? { view: "person", id: view.slice(1), more: id } : { view: view || "home", id, more };
}

export const route = signal(current());

/** Go to a view, such as `post/123`, and to a part of it. */
export function go(where, part = "main h1") {
  if (location.hash === `#/${where}`) return focusOn(part);
  moved = true;
  focused = part;
  location.hash = `#/${where}`;
}

function focusOn(part) {
  requestAnimationFrame(() => document.querySelector(part)?.focus({ preventScroll: part === "main h1" }));
}

/** The address of a person, post or tag. */
export const to = {
  person: ({ username }) => `#/@${encodeURIComponent(username)}`,
  post: (id) => `#/post/${id}`,
  tag: (tag) => `#/tag/${encodeURIComponent(tag)}`,
};

addEventListener("click", ({ target }) => (moved ||= Boolean(target.closest?.('a[href^="#"]'))), true);
addEventListener("scroll", () => places.set(from, scrollY), { passive: true });
history.scrollRestoration = "manual";

addEventListener("hashchange", () => {
  const to_top = moved;
  moved = false;
  from = location.hash;
  const place = to_top ? 0 : (places.get(from) ?? 0);
  route.value = current();
  requestAnimationFrame(() => scrollTo(0, place));
  if (to_top) focusOn(focused);
  focused = "main h1";
});
