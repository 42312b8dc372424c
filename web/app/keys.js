// Keys: j and k walk through posts, and letters act on the one in focus.

import { go } from "./route.js";
import { me } from "./state.js";

export const KEYS = {
  "j / k": "next and previous post", Enter: "open the post", l: "like it", r: "repost it", b: "bookmark it", c: "comment on it",
  n: "write a post", "/": "search", "g h": "home", "g n": "notifications", "g p": "your profile", ".": "show new posts", "?": "these keys", Esc: "back to the page",
};

const click = (selector, within = document) => within?.querySelector(selector)?.click();
const press = (name) => (post) => click(`.action.act-${name}`, post);

const ON_POST = { l: press("heart"), r: press("repost"), b: press("bookmark"), c: press("comment") };
const ANYWHERE = {
  j: (post) => step(post, 1),
  k: (post) => step(post, -1),
  n: () => go("", "#compose"),
  "/": () => go("search", "#search"),
  ".": () => click(".fresh button"),
  "?": () => document.querySelector("#keys").showModal(),
};
const AFTER_G = { h: () => go(""), n: () => go("notifications"), p: () => go(`@${me().username}`) };

let after_g = false;

addEventListener("keydown", (event) => {
  const { key, target, ctrlKey, metaKey, altKey } = event;
  const writing = target.matches?.("input, textarea, select, [contenteditable]");
  if (key === "Escape" && writing) return target.blur();
  if (writing || ctrlKey || metaKey || altKey || !me() || document.querySelector("dialog[open]")) return;
  const post = document.activeElement?.closest(".post") ?? document.querySelector(".post.whole");
  const act = after_g ? AFTER_G[key] : (ANYWHERE[key] ?? (post && ON_POST[key]));
  after_g = key === "g" && !after_g;
  if (!act) return;
  event.preventDefault();
  act(post);
});

function step(post, by) {
  const posts = [...document.querySelectorAll(".post[tabindex]")];
  const next = posts[post ? posts.indexOf(post) + by : 0];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}
