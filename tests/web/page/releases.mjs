// Servers of another release than the page: what is new is skipped, what is missing is not missed, and nothing is lost.
import assert from "node:assert/strict";

const problem = (status) => ({ status, contentType: "application/problem+json", body: JSON.stringify({ status, code: "not_here", title: "Not here" }) });

/** Change the answers of REST for a person; `change` gets each object, and `refuse` may answer a request itself. */
async function translated(context, change, refuse = () => null) {
  await context.route(/\/v1\/(?!auth)/, async (route) => {
    const request = route.request();
    const refused = refuse(request);
    if (refused) return route.fulfill(problem(refused));
    const answer = await route.fetch().catch(() => null);
    if (!answer) return route.abort();
    const body = await answer.text();
    const json = answer.headers()["content-type"]?.includes("json") && body;
    const changed = json ? JSON.stringify(JSON.parse(body, (_key, value) => (value && typeof value === "object" && !Array.isArray(value) ? change(value, new URL(request.url()).pathname) : value))) : body;
    await route.fulfill({ response: answer, body: changed });
  });
}

const NEWER = ["media", "visibility", "edited_at", "entities", "reposts", "reposted", "bookmarked", "reposted_by", "replies", "links", "bio", "relationship", "private", "posts", "followers", "following", "target", "actors", "avatar_url"];

export async function older_server(stage) {
  stage.allow(/Failed to load resource/);
  const context = await stage.context({});
  const without = (object) => Object.fromEntries(Object.entries(object).filter(([name]) => !NEWER.includes(name)));
  await translated(context, without, (request) => {
    if (request.url().endsWith("/bookmark")) return 405;
    if (request.url().endsWith("/repost")) return 501;
    return request.url().includes("/v1/sync") ? 404 : null;
  });
  const ada = await stage.join("ada_older", { context });
  await stage.post(ada, "an old server");
  for (const name of ["bookmark", "repost"]) {
    await ada.click(`.act-${name}`);
    await ada.waitForSelector(".toast:has-text('This server does not offer that.')");
    await ada.waitForSelector(`.act-${name}[aria-pressed="true"]`, { state: "detached" });
  }
  await ada.click(".act-heart"); // what was refused holds up nothing
  await ada.waitForSelector('.act-heart[aria-pressed="true"] .count:text-is("1")');
  const bob = await stage.join("bob_older", { at: "#/join/ada_older" });
  await bob.click(".profile .primary:text-is('Follow')");
  await ada.waitForSelector('.badge:text-is("1")');
  await ada.click(".post .text");
  await ada.fill(".write textarea", "as before");
  await ada.press(".write textarea", "Enter");
  await ada.waitForSelector(".comment:not(.pending):has-text('as before')");
  for (const [at, ready] of [["#/notifications", ".notification:has-text('followed you')"], ["#/@ada_older", ".profile h2"], ["#/@bob_older", ".profile h2"], ["#/search/ada_older", ".person"], ["#/settings", "#field-display_name"]]) {
    await ada.goto(stage.url + at);
    await ada.waitForSelector(ready);
  }
  assert.equal(await ada.locator("[role=alert], .none:has-text('cannot show')").count(), 0);
}

const EVENTS = ["of.a.newer.release", "post.stats", "feed.post", "comment.created", "notification", "presence", "typing", "user.stats"];

export async function newer_server(stage) {
  stage.allow(/TypeError/); // said for developers, of the one item that cannot be drawn
  const context = await stage.context({});
  const added = (object, path) => ({
    ...object,
    of_a_newer_release: { deep: [1] },
    ...(Array.isArray(object.entities) && object.text && { entities: [{ kind: "poll", start: 0, end: 2, key: "x" }] }),
    ...(Array.isArray(object.items) && path === "/v1/notifications" && { items: [...object.items, { id: "newer", type: "crown", count: 2, rev: 1, updated_at: "2026-01-01T00:00:00Z" }] }),
    ...(Array.isArray(object.items) && path === "/v1/feed" && { items: [...object.items, { id: "odd", author: 7, text: { rich: true }, place: "0" }, { id: "gone", author: null, text: "by nobody", place: "0", media: [{ id: "m", kind: "hologram" }] }] }),
    ...(Array.isArray(object.items) && path === "/v1/bookmarks" && { items: { pages: [] } }),
  });
  await translated(context, added);
  const ada = await stage.join("ada_newer", { context });
  await stage.post(ada, "a newer server");
  await ada.waitForSelector(".item:has-text('This version of the page cannot show this.')");
  await ada.waitForSelector(".post:has-text('by nobody'):has-text('Somebody')");
  assert.equal(await ada.locator(".post .text a").count(), 0, "a part of a text of an unknown kind is text");
  for (const event of EVENTS) for (const data of [null, { id: "x" }, { post_id: 7, author: "ada" }, []]) await stage.ask("push", "ada_newer", event, data);
  const bob = await stage.join("bob_newer", { at: "#/join/ada_newer" });
  await bob.click(".act-heart");
  await ada.waitForSelector('.act-heart .count:text-is("1")');
  await ada.goto(`${stage.url}#/notifications`);
  await ada.waitForSelector(".notification:has-text('Somebody and 1 other did something')");
  await ada.waitForSelector(".notification:has-text('liked your post')");
  await ada.goto(`${stage.url}#/bookmarks`);
  await ada.waitForSelector("[role=alert]:has-text('as another release does')");
}

export async function renewed_under_an_open_page(stage) {
  stage.allow(/Failed to load resource/, /ERR_|WebSocket connection/);
  const ada = await stage.join("ada_renewed");
  assert.equal(await ada.locator(".late").count(), 0);
  const page = (url) => url.pathname === "/";
  await ada.context_.route(page, async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, body: (await answer.text()).replaceAll(/\/app\/[\w-]+\//g, "/app/of-another-release/") });
  });
  await ada.context_.setOffline(true);
  await ada.waitForSelector(".weather:has-text('offline')");
  await ada.fill("#compose", "written before");
  await ada.click(".compose .primary");
  await ada.waitForSelector(".post.pending:has-text('written before')");
  await ada.fill("#compose", "not yet sent");
  await ada.context_.setOffline(false);
  await ada.waitForSelector(".weather:has-text('of an earlier release')");
  await ada.context_.unroute(page);
  await ada.click(".weather button");
  await ada.waitForSelector(".post:not(.pending):has-text('written before')");
  assert.equal(await ada.inputValue("#compose"), "not yet sent");
  assert.equal(await ada.locator(".post:has-text('written before')").count(), 1);
  await ada.waitForSelector(".weather p", { state: "detached" });
}

export async function refused_after_a_reload(stage) {
  stage.allow(/Failed to load resource/);
  const ada = await stage.join("ada_later");
  await stage.post(ada, "a post to comment on");
  let answer = (route) => route.abort();
  await ada.context_.route(/\/v1\/posts(\/\w+\/comments)?$/, (route) => (route.request().method() === "POST" ? answer(route) : route.fallback()));
  await ada.fill("#compose", "a refused post");
  await ada.click(".compose .primary");
  await ada.waitForSelector(".post.pending:has-text('a refused post')");
  await ada.click(".post:not(.pending) .text");
  await ada.fill(".write textarea", "a refused comment");
  await ada.press(".write textarea", "Enter");
  await ada.waitForSelector(".comment.pending");
  answer = (route) => route.fulfill(problem(403));
  await ada.reload();
  await ada.waitForFunction(() => document.querySelector("#field-text")?.value === "a refused comment");
  await ada.goto(`${stage.url}#/`);
  await ada.waitForFunction(() => document.querySelector("#compose")?.value === "a refused post");
  assert.equal(await ada.locator(".post.pending").count(), 0);
}
