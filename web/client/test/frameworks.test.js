// The bindings that the README shows, run with the frameworks themselves.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import test, { after } from "node:test";
import { Window } from "happy-dom";
import { Store } from "../src/store.js";
import { eventually } from "./support.js";

const window = new Window();
for (const name of ["window", "document", "navigator", "Node", "Element", "HTMLElement", "SVGElement", "Text", "Comment", "MutationObserver", "ShadowRoot"]) {
  globalThis[name] = name === "window" ? window : window[name];
}
const folder = mkdtempSync(join(import.meta.dirname, "..", "bindings-")); // where node_modules are found
after(() => rmSync(folder, { recursive: true }));

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

/** Return what the README shows under a name. */
function shown(name) {
  const [, code] = readme.match(new RegExp("^```\\w+ " + name.replace(".", "\\.") + "\\n([^]*?)^```", "m"));
  assert.ok(code.split("\n").length <= 16, `${name} has more than 15 lines`);
  return code;
}

async function module(name, code = shown(name)) {
  const file = join(folder, name.replace(/\.svelte$/, ".js"));
  writeFileSync(file, code);
  return import(pathToFileURL(file).href);
}

/** Check that `mount` shows the snapshots of a store, and that the function it returns leaves the store. */
async function follows(mount) {
  const store = new Store({ value: { likes: 1 } });
  const root = document.createElement("div");
  const leave = await mount(root, store);
  await eventually(() => root.textContent === "1 likes");
  store._set({ value: { likes: 2 } });
  await eventually(() => root.textContent === "2 likes" && store._open);
  await leave();
  await eventually(() => !store._open);
}

test("Preact", async () => {
  const { h, render } = await import("preact");
  const { useStore } = await module("preact.js");
  const Likes = ({ store }) => h("p", null, `${useStore(store).value.value.likes} likes`);
  await follows((root, store) => (render(h(Likes, { store }), root), () => render(null, root)));
});

test("React", async () => {
  const { createElement } = await import("react");
  const { createRoot } = await import("react-dom/client");
  const { useStore } = await module("react.js");
  const Likes = ({ store }) => createElement("p", null, `${useStore(store).value.likes} likes`);
  await follows((element, store) => {
    const root = createRoot(element);
    root.render(createElement(Likes, { store }));
    return () => root.unmount();
  });
});

test("Vue", async () => {
  const { createApp, h } = await import("vue");
  const { useStore } = await module("vue.js");
  await follows((root, store) => {
    const app = createApp({
      setup() {
        const snapshot = useStore(store);
        return () => h("p", `${snapshot.value.value.likes} likes`);
      },
    });
    app.mount(root);
    return () => app.unmount();
  });
});

test("Svelte", async () => {
  const { compile } = await import("svelte/compiler");
  const { mount, unmount, flushSync } = await import("svelte");
  const { default: Likes } = await module("Likes.svelte", compile(shown("Likes.svelte"), { generate: "client" }).js.code);
  await follows((target, store) => {
    const component = mount(Likes, { target, props: { store } });
    flushSync();
    return () => unmount(component);
  });
});
