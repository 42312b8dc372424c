// The conversation below a post: comments, their replies, and who is writing now.

import { useState } from "preact/hooks";
import { to } from "../route.js";
import { attempt, me, plaza, seen, useDraft, useLive, useMe } from "../state.js";
import { Avatar, Empty, Items, Menu, NOBODY, Text, Time, html } from "../ui.js";
import { Action, Edit, report } from "./post.js";

const EVERY_MS = 2_500; // how often others are shown that somebody is writing

export function Comments({ post_id }) {
  const [sort, setSort] = useState("newest");
  const store = plaza.comments(post_id, { sort });
  return html`<section class="comments" aria-label="Comments">
    <${Write} post_id=${post_id} />
    <${Typing} post_id=${post_id} />
    <div class="tabs" role="group" aria-label="Order">${["newest", "oldest", "top"].map((each) =>
      html`<button aria-pressed=${each === sort} onClick=${() => setSort(each)}>${each[0].toUpperCase() + each.slice(1)}</button>`)}</div>
    <${Items} key=${sort} store=${store} rows=${2} item=${(comment) => html`<${Comment} comment=${comment} />`}
      empty=${html`<${Empty} icon="comment" title="No comments yet"><p>The first one is always the hardest.</p><//>`} />
  </section>`;
}

/** A form for a comment, or for a reply where `parent` is given. */
function Write({ post_id, parent, close }) {
  const [text, setText, putBack] = useDraft(post_id, parent);
  const [told, setTold] = useState(-EVERY_MS);
  const write = ({ target }) => {
    setText(target.value);
    if (performance.now() - told < EVERY_MS) return;
    setTold(performance.now());
    plaza.sayTyping(post_id);
  };
  const send = async (event) => {
    event.preventDefault();
    if (!text.trim()) return;
    setText("");
    const sent = await attempt(plaza.comment(post_id, text, parent ? { parent } : {}));
    if (sent === undefined) putBack(text);
    else close?.();
  };
  const name = parent ? `reply-${parent}` : "text";
  return html`<form class="write" onSubmit=${send}>
    <${Avatar} user=${useMe()} size="s" />
    <textarea id=${`field-${name}`} rows="1" dir="auto" aria-label=${parent ? "Reply" : "Comment"} placeholder=${parent ? "Reply" : "Add a comment"} value=${text}
      onInput=${write} onKeyDown=${(event) => event.key === "Enter" && !event.shiftKey && !event.isComposing && send(event)} />
    <button class="primary" disabled=${!text.trim()}>${parent ? "Reply" : "Comment"}</button>
  </form>`;
}

function Typing({ post_id }) {
  const { items } = useLive(plaza.typing(post_id));
  const names = items.map((id) => seen.get(id)?.display_name ?? "Somebody");
  return html`<p class="typing" role="status">${names.length > 0 && html`<i></i><i></i><i></i> ${names.length > 2 ? `${names.length} people are` : `${names.join(" and ")} ${names.length > 1 ? "are" : "is"}`} writing`}</p>`;
}

function Comment({ comment }) {
  const [open, setOpen] = useState(false);
  const [mode, setMode] = useState("");
  const { id, post_id, pending } = comment;
  const author = comment.author ?? NOBODY;
  const close = () => setMode("");
  const like = () => attempt(comment.liked ? plaza.unlikeComment(id) : plaza.likeComment(id));
  return html`<article class=${`comment ${pending ? "pending" : ""}`} aria-label=${`Comment by ${author.display_name}`}>
    <a href=${to.person(author)} aria-label=${author.display_name}><${Avatar} user=${author} size="s" /></a>
    <div>
      <div class="by"><a href=${to.person(author)}><b>${author.display_name}</b></a> <small>${pending ? "sending…" : html`<${Time} at=${comment.created_at} />`}${comment.edited_at && " · edited"}</small></div>
      ${mode === "edit" ? html`<${Edit} text=${comment.text} save=${(text) => plaza.editComment(id, text, { rev: comment.rev })} close=${close} />` : html`<${Text} ...${comment} />`}
      ${!pending && html`<div class="actions">
        <${Action} name="heart" label=${comment.liked ? "Unlike" : "Like"} count=${comment.likes} on=${comment.liked} act=${like} />
        ${!comment.parent_id && html`<button class="action" onClick=${() => (setOpen(true), setMode("reply"))}>Reply</button>`}
        ${comment.replies > 0 && html`<button class="action" aria-expanded=${open} onClick=${() => setOpen(!open)}>${comment.replies === 1 ? "1 reply" : `${comment.replies} replies`}</button>`}
      </div>`}
      ${open && comment.replies > 0 && html`<div class="replies"><${Items} store=${plaza.comments(post_id, { parent: id, sort: "oldest" })} rows=${1} item=${(reply) => html`<${Comment} comment=${reply} />`} /></div>`}
      ${mode === "reply" && html`<${Write} post_id=${post_id} parent=${id} close=${close} />`}
    </div>
    ${!pending && html`<${Menu} label="More about this comment">${author.id === me()?.id
      ? html`<button onClick=${() => setMode("edit")}>Edit</button><button class="bad" onClick=${() => attempt(plaza.deleteComment(id), "Deleted.")}>Delete</button>`
      : html`<button onClick=${() => report("comment", id)}>Report</button>`}<//>`}
  </article>`;
}
