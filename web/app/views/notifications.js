// What happened to you; read in one window, it is read in all.

import { to } from "../route.js";
import { attempt, plaza, useLive } from "../state.js";
import { Avatar, Empty, Icon, Items, Time, Title, html } from "../ui.js";

const KINDS = {
  like: ["heart", "liked your"], comment: ["comment", "commented on your post"], reply: ["comment", "replied to your comment"],
  mention: ["at", "mentioned you in a"], follow: ["person", "followed you"], follow_request: ["person", "asked to follow you"],
  follow_accepted: ["check", "let you follow them"], repost: ["repost", "reposted your post"],
};

export function Notifications() {
  const { items, unread } = useLive(plaza.notifications);
  return html`<${Title}>Notifications<//>
    ${unread > 0 && html`<div class="row end"><button class="quiet" onClick=${() => attempt(plaza.markRead({ all_until: items[0].updated_at }))}>Mark all as read</button></div>`}
    <${Items} store=${plaza.notifications} item=${(each) => html`<${Notification} it=${each} />`}
      empty=${html`<${Empty} icon="bell" title="Nothing yet"><p>Likes, comments, mentions and new followers appear here while they happen.</p><//>`} />`;
}

function Notification({ it }) {
  const [icon, says] = KINDS[it.type] ?? ["bell", "did something"];
  const { actors = [], count = 1 } = it;
  const [first] = actors;
  const others = count - 1;
  const what = ["like", "mention"].includes(it.type) ? ` ${it.target?.kind ?? "post"}` : "";
  const href = it.type === "follow_request" ? "#/requests" : it.post_id ? to.post(it.post_id) : first ? to.person(first) : "#/notifications";
  const read = () => it.read_at || attempt(plaza.markRead({ ids: [it.id] }));
  return html`<a class=${`notification ${it.read_at ? "" : "unread"}`} href=${href} onClick=${read}>
    <span class=${`kind kind-${icon}`}><${Icon} name=${icon} filled=${icon === "heart"} /></span>
    <span><span class="faces">${actors.slice(0, 5).map((user) => html`<${Avatar} key=${user.id} user=${user} size="s" />`)}</span>
      <span><b>${first?.display_name ?? "Somebody"}</b>${others > 0 && ` and ${others} ${others === 1 ? "other" : "others"}`} ${says}${what} <small><${Time} at=${it.updated_at} /></small></span></span>
    ${!it.read_at && html`<i class="dot" role="img" aria-label="Unread"></i>`}
  </a>`;
}
