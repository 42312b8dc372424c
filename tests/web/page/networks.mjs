// Networks that let less through than the page asks for.
import assert from "node:assert/strict";
import { bufferingProxy } from "./proxy.mjs";

const BLOCKED = [/Failed to load resource/, /WebSocket connection/, /CORS policy/];

export async function buffering_proxy(stage) {
  stage.allow(...BLOCKED);
  const proxy = await bufferingProxy();
  stage.after(() => proxy.close());
  for (const how of ["refuses", "swallows"]) {
    proxy.swallows = how === "swallows";
    const before = { ...proxy };
    const ada = await stage.join(`ada_${how}`, { proxy: { server: proxy.server, bypass: "<-loopback>" } });
    await stage.post(ada, "through the proxy");
    const bob = await stage.join(`bob_${how}`, { at: `#/join/ada_${how}` });
    await bob.click(".act-heart");
    await ada.waitForSelector('.badge:text-is("1")');
    await ada.waitForSelector('.act-heart .count:text-is("1")');
    await ada.click(".post .text");
    await ada.fill(".write textarea", "so do comments");
    await ada.press(".write textarea", "Enter");
    await bob.waitForSelector('.act-comment .count:text-is("1")');
    await ada.waitForSelector(".weather p", { state: "detached" });
    assert.ok(proxy.tunnels > before.tunnels && proxy.polls > before.polls, "a websocket was tried, and long polling stayed");
    if (how === "swallows") await neitherWorks(stage, proxy, ada, bob);
  }
}

/** No transport of the sockets works, as behind a firewall that forbids their port. */
async function neitherWorks(stage, proxy, ada, bob) {
  proxy.forbid(new URL(ada.url()).hostname, await ada.getAttribute("meta[name=plaza-gateway-port]", "content"));
  await ada.waitForSelector(".weather:has-text('Live updates do not get through')");
  await ada.fill(".write textarea", "sent all the same");
  await ada.press(".write textarea", "Enter");
  await ada.waitForSelector(".comment:not(.pending):has-text('sent all the same')");
  await bob.waitForSelector('.act-comment .count:text-is("2")');
  await bob.click(".act-heart");
  await bob.waitForSelector('.act-heart[aria-pressed="false"]');
  await ada.goto(`${stage.url}#/@${await bob.locator(".self small").textContent().then((name) => name.slice(1))}`);
  await ada.click(".profile .primary:text-is('Follow')");
  await ada.waitForSelector(".profile button:text-is('Following')");
  proxy.allow();
  await ada.evaluate(() => dispatchEvent(new Event("online")));
  await ada.waitForSelector(".weather p", { state: "detached" });
  await ada.goto(`${stage.url}#/`);
  await ada.waitForSelector(".act-heart .count:text-is('')", { state: "attached" });
}
