// Your profile, who may reach you, where you are logged in, and how the page looks.

import { useRef } from "preact/hooks";
import { ask, attempt, me, plaza, say, theme, useLive } from "../state.js";
import { Avatar, Empty, Form, Icon, Items, Person, Skeleton, Time, Title, html } from "../ui.js";

export function Settings() {
  const { value } = useLive(plaza.user(me().username));
  if (!value) return html`<${Title}>Settings<//><${Skeleton} rows=${2} />`;
  return html`<${Title}>Settings<//>
    <section class="part"><h2>Profile</h2><${Face} person=${value} /><${ProfileForm} person=${value} /></section>
    <section class="part"><h2>Appearance</h2><div class="tabs" role="group" aria-label="Appearance">
      ${[["", "As the system"], ["light", "Light"], ["dark", "Dark"]].map(([name, says]) => html`<button aria-pressed=${theme.value === name} onClick=${() => (theme.value = name)}>${says}</button>`)}
    </div></section>
    <section class="part"><h2>Where you are logged in</h2><${Sessions} /></section>
    <section class="part"><h2>Blocked</h2><${Apart} path="/v1/users/me/blocks" undo=${({ username }) => plaza.unblock(username)} says="Unblock" none="You block nobody." /></section>
    <section class="part"><h2>Muted</h2><${Apart} path="/v1/users/me/mutes" undo=${({ username }) => plaza.unmute(username)} says="Unmute" none="You mute nobody." /></section>`;
}

function Face({ person }) {
  const files = useRef();
  const change = async (act, done) => {
    if ((await attempt(act(), done)) !== undefined) void plaza.user(person.username).refresh();
  };
  const choose = async (file) => {
    const { id } = await plaza.upload(file);
    return ask("PUT", "/v1/users/me/avatar", { body: { media_id: id } });
  };
  return html`<div class="row face"><${Avatar} user=${person} size="l" />
    <button class="quiet" onClick=${() => files.current.click()}><${Icon} name="picture" /> Choose a picture</button>
    ${person.avatar_url && html`<button class="quiet" onClick=${() => change(() => ask("DELETE", "/v1/users/me/avatar"), "Removed.")}>Remove</button>`}
    <input ref=${files} type="file" accept="image/*" hidden aria-label="Your picture" onChange=${({ target }) => target.files[0] && change(() => choose(target.files[0]), "This is you now.")} />
  </div>`;
}

function ProfileForm({ person }) {
  const send = async ({ display_name, bio, title, url }, form) => {
    const links = url ? [{ title: title || url, url }] : [];
    await plaza.editProfile({ display_name, bio: bio || null, links, private: form.elements.private.checked });
    say("Saved.");
  };
  const [link = { title: "", url: "" }] = person.links ?? [];
  return html`<${Form} button="Save" send=${send} fields=${[
    { name: "display_name", label: "Name", defaultValue: person.display_name, required: true, maxlength: 50 },
    { name: "bio", label: "About you", as: "textarea", rows: 3, defaultValue: person.bio ?? "", maxlength: 500 },
    { name: "url", label: "Your site", type: "url", defaultValue: link.url, placeholder: "https://" },
    { name: "title", label: "Its name", defaultValue: link.title, maxlength: 50 }]}>
    <label class="check"><input type="checkbox" name="private" defaultChecked=${person.private} /> Only followers see my posts, and I choose who follows me</label>
  <//>`;
}

function Sessions() {
  const store = plaza.list("/v1/auth/sessions");
  const end = async ({ id }) => {
    if ((await attempt(ask("DELETE", "/v1/auth/sessions/{session_id}", { params: { path: { session_id: id } } }), "Ended.")) !== undefined) void store.refresh();
  };
  const all = async () => (await attempt(ask("POST", "/v1/auth/logout-all"))) !== undefined && plaza.logout();
  return html`<${Items} store=${store} rows=${1} item=${(each) => html`<div class="person">
      <span><b>${each.device ?? "A browser"}${each.current && " · this window"}</b><small>${each.ip ?? "unknown address"} · used <${Time} at=${each.last_used_at} /></small></span>
      ${!each.current && html`<button class="quiet" onClick=${() => end(each)}>End</button>`}
    </div>`} />
    <div class="row"><button class="quiet" onClick=${() => attempt(plaza.logout())}>Log out</button><button class="quiet bad" onClick=${all}>Log out everywhere</button></div>`;
}

const Apart = ({ path, undo, says, none }) => html`<${Items} store=${plaza.list(path)} rows=${1} empty=${html`<p class="none">${none}</p>`}
  item=${(user) => html`<${Person} user=${user}><button class="quiet" onClick=${() => attempt(undo(user))}>${says}</button><//>`} />`;

export const Requests = () => html`<${Title} back>Follow requests<//>
  <${Items} store=${plaza.list("/v1/follow-requests")} empty=${html`<${Empty} icon="person" title="No requests" />`} item=${(user) => html`<${Person} user=${user}>
    <button class="primary" onClick=${() => attempt(plaza.acceptFollow(user.username), `@${user.username} follows you now.`)}>Accept</button>
    <button class="quiet" onClick=${() => attempt(plaza.refuseFollow(user.username))}>Refuse</button><//>`} />`;
