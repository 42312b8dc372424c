// What people do on the page, once each; two windows see each other while it happens.
import assert from "node:assert/strict";

const count = (page, name) => page.locator(`.act-${name} .count`).first();
const badge = (page, number) => page.waitForSelector(`.badge:text-is("${number}")`);

export async function two_windows(stage) {
  const ada = await stage.join("ada_two");
  await stage.post(ada, "hello, plaza");
  const bob = await stage.join("bob_two", { at: "#/join/ada_two" });
  await bob.click(".profile .primary:text-is('Follow')");
  await badge(ada, 1);
  await bob.click(".act-heart");
  await ada.waitForSelector('.act-heart .count:text-is("1")');
  await badge(ada, 2);
  assert.equal(await ada.title(), "(2) Plaza");

  await bob.click(".post .text");
  await ada.click(".post .text");
  let seen = false; // a hint, lost before she is in the room: he goes on writing
  const typing = ada.waitForSelector(".typing:has-text('bob_two is writing')").finally(() => (seen = true));
  while (!seen) await bob.locator(".write textarea").pressSequentially("so ", { delay: 100 });
  await typing;
  await bob.fill(".write textarea", "how lovely");
  await bob.press(".write textarea", "Enter");
  await ada.waitForSelector(".comment:has-text('how lovely')");
  await badge(ada, 3);
  await ada.waitForSelector('.act-comment .count:text-is("1")');
  assert.equal(await ada.locator(".comment").count(), 1);

  await bob.goto(`${stage.url}#/`);
  await bob.waitForSelector(".post:has-text('hello, plaza')");
  await bob.evaluate(() => scrollTo(0, 1));
  const before = await bob.locator(".post").first().boundingBox();
  await stage.post(ada, "the second");
  await bob.waitForSelector(".fresh button:text-is('1 new post')");
  assert.deepEqual(await bob.locator(".post").first().boundingBox(), before, "the timeline moved");
  await bob.click(".fresh button");
  await bob.waitForSelector(".item >> nth=0 >> text=the second");
  await bob.waitForSelector(".fresh button", { state: "detached" });
}

export async function conversation(stage) {
  const ada = await stage.join("ada_talk");
  await stage.post(ada, "what do you think? #weather");
  await ada.click(".post .text");
  await ada.fill(".write textarea", "first");
  await ada.press(".write textarea", "Enter");
  await ada.waitForSelector(".comment:not(.pending):has-text('first')");
  await ada.click(".comment .act-heart");
  await ada.waitForSelector('.comment .act-heart[aria-pressed="true"] .count:text-is("1")');
  await ada.click(".comment .action:text-is('Reply')");
  await ada.fill(".comment .write textarea", "a reply");
  await ada.press(".comment .write textarea", "Enter");
  await ada.waitForSelector(".replies .comment:has-text('a reply')");
  await ada.waitForSelector(".comment .action:text-is('1 reply')");

  await ada.click(".post .menu summary");
  await ada.click(".post .menu button:text-is('Edit')");
  await ada.fill(".edit textarea", "what do you think now? #weather");
  await ada.click(".edit .primary");
  await ada.waitForSelector(".post:has-text('think now'):has-text('edited')");
  await ada.click(".text a:text-is('#weather')");
  await ada.waitForSelector("h1:text-is('#weather')");
  await ada.waitForSelector(".post:has-text('think now')");
  await ada.click(".act-repost");
  await ada.waitForSelector('.act-repost[aria-pressed="true"]');
  await ada.click(".act-bookmark");
  await ada.waitForSelector('.act-bookmark[aria-pressed="true"]');
  await ada.click('.bar a[href="#/bookmarks"]');
  await ada.waitForSelector("h1:text-is('Bookmarks')");
  await ada.waitForSelector(".post:has-text('think now')");
  ada.on("dialog", (dialog) => dialog.accept());
  await ada.click(".post .menu summary");
  await ada.click(".post .menu button:text-is('Delete')");
  await ada.waitForSelector(".empty:has-text('Nothing kept yet')");
}

export async function pictures_and_profile(stage) {
  const ada = await stage.join("ada_face");
  const file = { name: "view.png", mimeType: "image/png", buffer: Buffer.from(await stage.ask("picture"), "base64") };
  await ada.setInputFiles(".compose input[type=file]", [file, file]);
  await ada.fill('[aria-label="Description of the picture"] >> nth=0', "a teal view");
  await ada.fill("#compose", "two pictures");
  await ada.click(".compose .primary");
  await ada.waitForSelector(".post:not(.pending) .pictures.of-2 img[alt='a teal view']");
  await ada.waitForFunction(() => [...document.querySelectorAll(".pictures img")].every((each) => each.complete && each.naturalWidth > 0));

  await ada.click('.bar a[href="#/settings"]');
  await ada.fill("#field-display_name", "Ada Lovelace");
  await ada.fill("#field-bio", "I write programs.");
  await ada.fill("#field-url", "https://example.org/ada");
  await ada.fill("#field-title", "my site");
  await ada.click("section.part .primary:text-is('Save')");
  await ada.waitForSelector(".toast:has-text('Saved')");
  await ada.click(".bar a:has-text('Profile')");
  await ada.waitForSelector(".profile:has-text('Ada Lovelace'):has-text('I write programs.')");
  assert.equal(await ada.getAttribute(".links a", "href"), "https://example.org/ada");
  await ada.waitForSelector(".profile .avatar:has-text('AL')");
  await ada.click(".profile a.button");
  await ada.setInputFiles(".face input[type=file]", file);
  await ada.waitForSelector(".face .avatar img");
  await ada.waitForSelector(".self .avatar img");
  await ada.click(".face button:text-is('Remove')");
  await ada.waitForSelector(".face .avatar:has-text('AL')");
  await ada.click(".bar a:has-text('Profile')");

  await ada.click(".profile a.button");
  await ada.click(".tabs button:text-is('Dark')");
  const colour = () => ada.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.equal(await colour(), "rgb(20, 18, 15)");
  await ada.reload();
  await ada.waitForSelector("nav.bar");
  assert.equal(await colour(), "rgb(20, 18, 15)", "the theme is kept");
}

export async function people(stage) {
  stage.allow(/status of 404/); // whom you block is not there
  const ada = await stage.join("ada_people");
  await stage.post(ada, "a marmalade sandwich");
  const bob = await stage.join("bob_people", { at: "#/search" });
  await bob.goto(`${stage.url}#/search`);
  await bob.fill("#search", "marmalade");
  await bob.waitForSelector(".post:has-text('a marmalade sandwich')");
  await bob.fill("#search", "ada_people");
  await bob.click(".item .who:has-text('ada_people')");
  await bob.waitForSelector(".profile:has-text('online')");
  await bob.click(".profile .primary:text-is('Follow')");
  await bob.waitForSelector("aside .person:has-text('ada_people'):has-text('online')");
  await bob.click(".tabs a:has-text('Followers')");
  await bob.waitForSelector(".item .person:has-text('bob_people')");

  await bob.click(".profile .menu summary");
  await bob.click(".menu button:text-is('Mute')");
  await bob.waitForSelector(".toast:has-text('Muted')");
  await bob.click('.bar a[href="#/settings"]');
  await bob.click("section:has(h2:text-is('Muted')) button:text-is('Unmute')");
  await bob.waitForSelector("section:has-text('You mute nobody.')");
  await bob.goBack();
  bob.on("dialog", (dialog) => dialog.accept());
  await bob.click(".profile .menu summary");
  await bob.click(".menu button:text-is('Block')");
  await bob.waitForSelector("h1:text-is('Home')");
  await bob.click('.bar a[href="#/settings"]');
  await bob.click("section:has(h2:text-is('Blocked')) button:text-is('Unblock')");
  await bob.waitForSelector("section:has-text('You block nobody.')");

  await ada.goto(`${stage.url}#/settings`);
  await ada.check("input[name=private]");
  await ada.click("section.part .primary:text-is('Save')");
  await ada.waitForSelector(".toast:has-text('Saved')");
  await bob.goto(`${stage.url}#/@ada_people`);
  await bob.reload(); // that an account is private now is told to nobody
  await bob.click(".profile .primary:text-is('Ask to follow')");
  await bob.waitForSelector(".profile button:text-is('Requested')");
  await ada.click('.bar a[href="#/notifications"]');
  await ada.click(".notification:has-text('asked to follow you')");
  await ada.click(".person:has-text('bob_people') .primary");
  await bob.waitForSelector(".profile button:text-is('Following')"); // on the page that is open
  await bob.click(".badge");
  await bob.click(".notification:has-text('let you follow them')");
  await bob.waitForSelector(".profile button:text-is('Following')");
}

export async function sessions_and_windows(stage) {
  stage.allow(/Failed to load resource/, /ERR_|WebSocket connection/); // it goes offline once
  const ada = await stage.join("ada_tabs");
  await stage.post(ada, "count me");
  const other = await stage.window({ context: ada.context_ });
  await other.waitForSelector(".post:has-text('count me')");
  const elsewhere = await stage.window();
  await elsewhere.click(".tabs button:text-is('Log in')");
  await elsewhere.fill("#field-username", "ada_tabs");
  await elsewhere.fill("#field-password", "correct horse battery");
  await elsewhere.click("form button.primary");
  await elsewhere.waitForSelector("nav.bar");
  const bob = await stage.join("bob_tabs", { at: "#/join/ada_tabs" });
  await bob.click(".act-heart");
  for (const window of [ada, other, elsewhere]) await badge(window, 1);
  await other.click('.bar a[href="#/notifications"]');
  await other.click("button:text-is('Mark all as read')");
  for (const window of [ada, other, elsewhere]) await window.waitForSelector(".badge", { state: "detached" });

  await ada.goto(`${stage.url}#/settings`);
  await ada.click(".person:not(:has-text('this window')) button:text-is('End')");
  await elsewhere.waitForSelector(".notice:has-text('session')");
  await ada.click("button:text-is('Log out')");
  await other.waitForSelector(".hero");

  // A second person in a tab of the first one's browser: each tab stays with its own.
  const first = await stage.join("ada_first");
  const second = await stage.join("bob_second", { context: first.context_, at: "#/join/ada_first" });
  await second.waitForSelector(".self:has-text('bob_second')", { state: "attached" });
  await first.reload();
  await first.waitForSelector(".self:has-text('ada_first')");
  await first.context_.setOffline(true);
  for (const page of [first, second]) {
    await page.goto(`${stage.url}#/`);
    const name = page === first ? "ada_first" : "bob_second";
    await page.fill("#compose", `by ${name}`);
    await page.click(".compose .primary");
    await page.waitForSelector(`.post.pending:has-text('by ${name}')`);
  }
  await first.context_.setOffline(false);
  for (const [page, name] of [[first, "ada_first"], [second, "bob_second"]]) {
    await page.waitForSelector(`.post:not(.pending):has(header:has-text('@${name}')):has-text('by ${name}')`);
    assert.equal(await page.locator(".post").count(), 1, "of oneself alone");
  }
}

export async function keyboard(stage) {
  const ada = await stage.join("ada_keys");
  for (const text of ["one", "two"]) await stage.post(ada, text);
  await ada.evaluate(() => document.activeElement.blur());
  await ada.keyboard.press("j");
  await ada.keyboard.press("j");
  await ada.keyboard.press("l");
  await ada.waitForSelector(".post:has-text('one') .act-heart[aria-pressed=true]");
  await ada.keyboard.press("Enter");
  await ada.waitForSelector("h1:text-is('Post'):focus");
  await ada.keyboard.press("g");
  await ada.keyboard.press("n");
  await ada.waitForSelector("h1:text-is('Notifications')");
  await ada.keyboard.press("/");
  await ada.waitForSelector("#search:focus");
  await ada.keyboard.press("Escape");
  await ada.keyboard.press("?");
  await ada.waitForSelector("dialog[open]");
  await ada.keyboard.press("Escape");
  await ada.keyboard.press("n");
  await ada.waitForSelector("#compose:focus");
  await ada.keyboard.type("by keys");
  await ada.keyboard.press("Control+Enter");
  await ada.waitForSelector(".post:not(.pending):has-text('by keys')");
}
