// A post, as every list and its own page show it.

import { useState } from "preact/hooks";
import { go, to } from "../route.js";
import { ask, attempt, me, plaza, served } from "../state.js";
import { Avatar, Icon, Menu, NOBODY, Text, Time, html } from "../ui.js";

export function Post({ post, whole = false }) {
  const [editing, setEditing] = useState(false);
  const { media = [] } = post;
  const author = post.author ?? NOBODY;
  const open = (event) => whole || post.pending || event.target.closest("a,button,summary,textarea,details") || String(getSelection()) || go(`post/${post.id}`);
  return html`<article class=${`post ${whole ? "whole" : ""} ${post.pending ? "pending" : ""}`} data-post=${post.id} tabindex=${whole ? null : 0}
      aria-label=${`Post by ${author.display_name}`} onClick=${open} onKeyDown=${({ key, target, currentTarget }) => key === "Enter" && target === currentTarget && go(`post/${post.id}`)}>
    ${post.reposted_by && html`<p class="above"><${Icon} name="repost" /><a href=${to.person(post.reposted_by)}>${post.reposted_by.display_name}</a> reposted</p>`}
    <header>
      <a href=${to.person(author)} aria-label=${author.display_name}><${Avatar} user=${author} /></a>
      <div class="by"><a href=${to.person(author)}><b>${author.display_name}</b></a> <small>@${author.username}</small>
        <small class="when">${post.pending ? "sending…" : html`<a href=${to.post(post.id)}><${Time} at=${post.created_at} /></a>`}
        ${post.edited_at && " · edited"}${post.visibility === "followers" && html` · <${Icon} name="lock" /> followers`}</small></div>
      ${!post.pending && html`<${PostMenu} post=${post} edit=${() => setEditing(true)} />`}
    </header>
    ${editing ? html`<${Edit} text=${post.text} save=${(text) => plaza.editPost(post.id, text, { rev: post.rev })} close=${() => setEditing(false)} />`
      : post.text && html`<${Text} ...${post} />`}
    ${media.length > 0 && html`<div class=${`pictures of-${media.length}`}>${media.map((each) => html`<${Picture} key=${each.id} picture=${each} alone=${media.length === 1} />`)}</div>`}
    ${!post.pending && html`<${Actions} post=${post} whole=${whole} />`}
  </article>`;
}

/** A picture in a box of its shape, in its colour until it is there. */
function Picture({ picture, alone }) {
  const style = { background: colour(picture.blurhash), ...(alone && { aspectRatio: `${Math.max(picture.width / picture.height, 0.75)}` }) };
  return html`<a href=${served(picture.url)} target="_blank" rel="noopener" style=${style}>
    <img src=${served(alone ? picture.url : picture.thumbnail_url)} alt=${picture.alt || "Picture without a description"} loading="lazy" decoding="async" />
  </a>`;
}

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";

/** The average colour of a picture, which its blurhash has in its third to sixth digit. */
function colour(blurhash = "") {
  const value = [...blurhash.slice(2, 6)].reduce((sum, digit) => sum * 83 + DIGITS.indexOf(digit), 0);
  return `rgb(${value >> 16} ${(value >> 8) & 255} ${value & 255})`;
}

function Actions({ post, whole }) {
  const { id } = post;
  const toggle = (on, off, is) => () => attempt(is ? plaza[off](id) : plaza[on](id));
  return html`<footer class="actions">
    <${Action} name="comment" label="Comment" count=${post.comments} act=${() => (whole ? document.querySelector("#field-text").focus() : go(`post/${id}`, "#field-text"))} />
    <${Action} name="repost" label=${post.reposted ? "Undo repost" : "Repost"} count=${post.reposts} on=${post.reposted} act=${toggle("repost", "unrepost", post.reposted)} />
    <${Action} name="heart" label=${post.liked ? "Unlike" : "Like"} count=${post.likes} on=${post.liked} act=${toggle("like", "unlike", post.liked)} />
    <${Action} name="bookmark" label=${post.bookmarked ? "Remove bookmark" : "Bookmark"} on=${post.bookmarked} act=${toggle("bookmark", "unbookmark", post.bookmarked)} />
  </footer>`;
}

/** A button with a count that moves when it changes. */
export function Action({ name, label, count, on, act }) {
  return html`<button class=${`action act-${name}`} aria-label=${count ? `${label}, ${count}` : label} aria-pressed=${on === undefined ? null : on} onClick=${act}>
    <${Icon} name=${name} filled=${on && name !== "repost"} /><span class="count" key=${count}>${count > 0 ? count.toLocaleString() : ""}</span>
  </button>`;
}

function PostMenu({ post, edit }) {
  const { id } = post;
  const author = post.author ?? NOBODY;
  const share = () => attempt(navigator.clipboard.writeText(new URL(to.post(id), location.href).href), "Link copied.");
  return html`<${Menu} label="More about this post">
    <button onClick=${share}>Copy link</button>
    ${author.id === me()?.id
      ? html`<button onClick=${edit}>Edit</button>
          <button class="bad" onClick=${() => confirm("Delete this post for good?") && attempt(plaza.deletePost(id), "Deleted.")}>Delete</button>`
      : html`<button onClick=${() => attempt(plaza.mute(author.username), `You will not see @${author.username} any more.`)}>Mute @${author.username}</button>
          <button onClick=${() => attempt(plaza.block(author.username), `@${author.username} is blocked.`)}>Block @${author.username}</button>
          <button class="bad" onClick=${() => report("post", id)}>Report</button>`}
  <//>`;
}

/** Report a person, post or comment to the people who run this server. */
export function report(kind, id) {
  const text = prompt("What is wrong with it?");
  if (text !== null) attempt(ask("POST", "/v1/reports", { body: { target: { kind, id }, reason: "other", text: text || null } }), "Thank you. Somebody will look at it.");
}

/** A text being edited in its place. */
export function Edit({ text, save, close }) {
  const send = async (event) => {
    event.preventDefault();
    if ((await attempt(save(event.target.elements.edited.value))) !== undefined) close();
  };
  return html`<form class="edit" onSubmit=${send}>
    <textarea name="edited" aria-label="Text" dir="auto" ref=${(area) => area?.focus()} onKeyDown=${({ key }) => key === "Escape" && close()}>${text}</textarea>
    <div class="row"><button type="button" class="quiet" onClick=${close}>Cancel</button><button class="primary">Save</button></div>
  </form>`;
}
