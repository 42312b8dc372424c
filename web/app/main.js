// The page: its frame, and the view that the address names.

import { render } from "preact";
import { KEYS } from "./keys.js";
import { route, to } from "./route.js";
import { outdated } from "./release.js";
import { connection, keeps, me, plaza, seen, session, toasts, useLive, useMe } from "./state.js";
import { Avatar, Guard, Icon, Person, html, useOnline } from "./ui.js";
import { Home } from "./views/home.js";
import { Notifications } from "./views/notifications.js";
import { PersonView } from "./views/person.js";
import { PostView } from "./views/post.js";
import { Bookmarks, Search, Tag } from "./views/search.js";
import { Requests, Settings } from "./views/settings.js";
import { Forgotten, Mark, ResetPassword, SecondWindow, VerifyEmail, Welcome } from "./views/welcome.js";

const VIEWS = {
  home: Home, post: PostView, person: PersonView, notifications: Notifications, search: Search, tag: Tag,
  bookmarks: Bookmarks, settings: Settings, requests: Requests,
};
const DOORS = { join: Welcome, forgotten: Forgotten, "reset-password": ResetPassword, "verify-email": VerifyEmail };

function App() {
  const { state } = session.value;
  const { view, id, more } = route.value;
  if (state === "loading") return html`<p class="starting" role="status"><${Mark} /></p>`;
  const Door = DOORS[view] ?? (state === "active" ? null : Welcome);
  if (Door) return html`<main id="main" class="door"><${Guard} key=${view}><${Door} id=${id} /><//></main><${Toasts} />`;
  const View = VIEWS[view] ?? Home;
  return html`<a class="skip" href="#main" onClick=${(event) => (event.preventDefault(), document.querySelector("main h1")?.focus())}>Skip to the content</a>
    <div class="frame" key=${me().id}>
      <${Nav} view=${view} id=${id} />
      <main id="main"><${Weather} /><${Guard} key=${`${view} ${view === "search" ? "" : id}`}><${View} id=${id} more=${more} /><//></main>
      <${Around} />
    </div>
    <${Keys} /><${Toasts} />`;
}

function Nav({ view, id }) {
  const { unread, items } = useLive(plaza.notifications);
  for (const user of items.flatMap(({ actors = [] }) => actors)) seen.set(user.id, user);
  document.title = `${unread ? `(${unread}) ` : ""}Plaza`;
  const mine = useMe();
  const own = view === "person" && id === me().username;
  const item = (name, href, icon, text, count) => html`<a href=${href} aria-current=${view === name || (name === "me" && own) ? "page" : null}>
    <span class="sign"><${Icon} name=${icon} />${count > 0 && html`<b class="badge" aria-hidden="true" key=${count}>${count > 99 ? "99+" : count}</b>`}</span><span>${text}${count > 0 && html`<i class="unseen">, ${count} unread</i>`}</span></a>`;
  return html`<nav class="bar" aria-label="Plaza">
    <a class="brand" href="#/" aria-label="Plaza"><${Mark} /><span>Plaza</span></a>
    ${item("home", "#/", "home", "Home")}
    ${item("search", "#/search", "search", "Search")}
    ${item("notifications", "#/notifications", "bell", "Notifications", unread)}
    ${item("bookmarks", "#/bookmarks", "bookmark", "Bookmarks")}
    ${item("me", to.person(me()), "person", "Profile")}
    ${item("settings", "#/settings", "settings", "Settings")}
    <a class="self" href=${to.person(me())} tabindex="-1" aria-hidden="true"><${Avatar} user=${mine} size="s" /><span><b>${mine.display_name}</b><small>@${mine.username}</small></span></a>
  </nav>`;
}

/** How the connection, the storage and the release are, where that is worth saying. */
function Weather() {
  const { state, waiting, stored } = connection.value;
  const writes = waiting === 1 ? "1 change waits" : `${waiting} changes wait`;
  const says = {
    offline: `You are offline. ${waiting ? `${writes} and will be sent.` : "What you do is kept and sent later."}`,
    degraded: "Live updates do not get through this network. What you do is sent, and news are fetched about once a minute.",
    connecting: waiting > 0 && `Connecting… ${writes}.`,
  }[state];
  const frail = !stored || !keeps.value;
  const costs = waiting ? `${writes} and will be lost` : stored ? "The text you write is lost" : "Your login, and what is not sent yet, are lost";
  return html`<div class="weather" role="status">
    ${says && html`<p><${Icon} name="cloud" /> ${says}</p>`}
    ${frail && html`<p><${Icon} name="close" /> This browser's storage is full or refused. ${costs} when this page closes.</p>`}
    ${outdated.value && html`<p><${Icon} name="repost" /> Plaza was renewed, and this page is of an earlier release. ${frail && waiting ? "Load it again once everything is sent." : html`<button class="quiet" onClick=${() => location.reload()}>Load it again</button>`}</p>`}
  </div>`;
}

/** Beside wide pages: who is here of those you follow, and the way to a second window. */
function Around() {
  const { items } = useLive(plaza.list("/v1/users/{username}/following", { path: { username: me().username } }));
  const online = useOnline(items.slice(0, 50).map(({ id }) => id));
  const people = [...items].sort((one, other) => online.has(other.id) - online.has(one.id)).slice(0, 8);
  return html`<aside aria-label="Around you">
    <section class="card"><h2>People you follow</h2>
      ${people.length ? people.map((user) => html`<${Person} key=${user.id} user=${user} online=${online.has(user.id)} />`) : html`<p class="none">Nobody yet. <a href="#/search">Find people</a></p>`}</section>
    <section class="card"><h2>See it live</h2><p>Join as somebody else beside this window.</p><${SecondWindow} /></section>
    <p class="fine">Press <kbd>?</kbd> for keys · <a href="docs">API</a></p>
  </aside>`;
}

const Keys = () => html`<dialog id="keys" aria-label="Keys" onClick=${({ target, currentTarget }) => target === currentTarget && target.close()}>
  <form method="dialog"><h2>Keys</h2><dl>${Object.entries(KEYS).map(([key, does]) => html`<dt><kbd>${key}</kbd></dt><dd>${does}</dd>`)}</dl><button class="quiet">Close</button></form>
</dialog>`;

const Toasts = () => html`<div class="toasts" role="status" aria-live="polite">${toasts.value.map(({ id, text, tone }) => html`<p key=${id} class=${`toast ${tone}`}>${text}</p>`)}</div>`;

render(html`<${Guard}><${App} /><//>`, document.querySelector("#app"));
