// A person: who they are, what they posted, and what is between you.

import { go } from "../route.js";
import { attempt, me, plaza, useLive } from "../state.js";
import { Post, report } from "../parts/post.js";
import { Avatar, Empty, Failure, Icon, Items, Menu, Person, Skeleton, Title, html, useOnline } from "../ui.js";

export function PersonView({ id: username, more: tab }) {
  const store = plaza.user(username);
  const { value, status, error } = useLive(store);
  if (!value && status === "loading") return html`<${Title} back>@${username}<//><${Skeleton} />`;
  if (!value && status === "failed" && error?.status !== 422) return html`<${Title} back>@${username}<//><${Failure} error=${error} again=${() => store.refresh()} />`;
  if (!value) return html`<${Title} back>@${username}<//><${Empty} icon="person" title="Nobody here by that name"><a class="button quiet" href="#/search">Find people</a><//>`;
  const path = { username };
  const hidden = value.private && !value.relationship?.following && value.relationship;
  const empty = (icon, title) => html`<${Empty} icon=${icon} title=${title} />`;
  const people = (which, nobody) => html`<${Items} store=${plaza.list(`/v1/users/{username}/${which}`, { path })} item=${(user) => html`<${Person} user=${user} />`} empty=${empty("person", nobody)} />`;
  return html`<${Title} back>${value.display_name}<//>
    <${Profile} person=${value} />
    <nav class="tabs" aria-label="About this person">
      <${Tab} username=${username} tab="" now=${tab} count=${value.posts}>Posts<//>
      <${Tab} username=${username} tab="followers" now=${tab} count=${value.followers}>Followers<//>
      <${Tab} username=${username} tab="following" now=${tab} count=${value.following}>Following<//>
    </nav>
    ${hidden ? html`<${Empty} icon="lock" title="These posts are for followers"><p>Ask to follow @${username} to see them.</p><//>`
      : tab === "followers" ? people("followers", "No followers yet")
      : tab === "following" ? people("following", "Follows nobody yet")
      : html`<${Items} store=${plaza.posts(username)} item=${(post) => html`<${Post} post=${post} />`} empty=${empty("comment", "No posts yet")} />`}`;
}

const Tab = ({ username, tab, now, count, children }) =>
  html`<a href=${`#/@${encodeURIComponent(username)}${tab && `/${tab}`}`} aria-current=${now === tab ? "page" : null}>${children} <small>${count?.toLocaleString()}</small></a>`;

function Profile({ person }) {
  const own = person.id === me()?.id;
  const online = useOnline([person.id]).has(person.id);
  const between = person.relationship;
  return html`<section class="profile">
    <div class="row"><${Avatar} user=${person} size="l" online=${online} />
      ${own ? html`<a class="button quiet" href="#/settings">Edit profile</a>` : html`<${Follow} person=${person} /><${Between} person=${person} />`}</div>
    <h2>${person.display_name} ${person.private && html`<${Icon} name="lock" />`}</h2>
    <small>@${person.username}${between?.followed_by ? " · follows you" : ""}${online ? " · online" : ""}</small>
    ${person.bio && html`<p class="text" dir="auto">${person.bio}</p>`}
    ${person.links?.length > 0 && html`<p class="links">${person.links.map(({ title, url }) => html`<a href=${/^https?:/.test(url) ? url : null} target="_blank" rel="noopener noreferrer nofollow ugc">${title}</a>`)}</p>`}
    <small>Here since ${new Date(person.created_at).toLocaleDateString(undefined, { month: "long", year: "numeric" })}</small>
  </section>`;
}

export function Follow({ person }) {
  const { username, private: by_request } = person;
  const between = person.relationship ?? {};
  if (between.blocking) return html`<button class="quiet" onClick=${() => attempt(plaza.unblock(username))}>Unblock</button>`;
  if (between.following || between.requested) return html`<button class="quiet" onClick=${() => attempt(plaza.unfollow(username))}>${between.following ? "Following" : "Requested"}</button>`;
  return html`<button class="primary" onClick=${() => attempt(plaza.follow(username))}>${by_request ? "Ask to follow" : "Follow"}</button>`;
}

function Between({ person: { id, username, relationship } }) {
  const between = relationship ?? {};
  const block = () => confirm(`Block @${username}? Neither of you will see the other.`) && attempt(plaza.block(username), "Blocked.").then(() => go(""));
  return html`<${Menu} label="More about this person">
    ${between.muting ? html`<button onClick=${() => attempt(plaza.unmute(username), "Unmuted.")}>Unmute</button>` : html`<button onClick=${() => attempt(plaza.mute(username), "Muted.")}>Mute</button>`}
    ${!between.blocking && html`<button class="bad" onClick=${block}>Block</button>`}
    <button class="bad" onClick=${() => report("user", id)}>Report</button>
  <//>`;
}
