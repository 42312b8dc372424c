// Finding people and posts, posts with a hashtag, and the posts you kept.

import { useEffect, useState } from "preact/hooks";
import { go } from "../route.js";
import { plaza } from "../state.js";
import { Post } from "../parts/post.js";
import { Empty, Items, Person, Title, html } from "../ui.js";

const PAUSE_MS = 250;

const posts = (store, empty) => html`<${Items} store=${store} item=${(post) => html`<${Post} post=${post} />`} empty=${empty} />`;

export function Search({ id: words }) {
  const [text, setText] = useState(words);
  useEffect(() => {
    if (text.trim() === words) return;
    const timer = setTimeout(() => go(`search/${encodeURIComponent(text.trim())}`), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return html`<${Title}>Search<//>
    <form class="search" role="search" onSubmit=${(event) => event.preventDefault()}>
      <input id="search" type="search" aria-label="Search people and posts" placeholder="People and posts" value=${text} dir="auto" maxlength="100" onInput=${({ target }) => setText(target.value)} />
    </form>
    ${words ? html`<${Found} key=${words} words=${words} />` : html`<${Empty} icon="search" title="Who are you looking for?"><p>Type a name, or words of a post.</p><//>`}`;
}

function Found({ words }) {
  const nobody = html`<p class="none">Nobody of that name.</p>`;
  return html`<h2 class="part">People</h2>
    <${Items} store=${plaza.list("/v1/users", { query: { q: words } })} rows=${1} item=${(user) => html`<${Person} user=${user} />`} empty=${nobody} />
    <h2 class="part">Posts</h2>
    ${posts(plaza.list("/v1/search", { query: { q: words } }), html`<p class="none">No post with these words.</p>`)}`;
}

export const Tag = ({ id: tag }) => html`<${Title} back>#${tag}<//>
  ${posts(plaza.list("/v1/hashtags/{tag}/posts", { path: { tag } }), html`<${Empty} icon="search" title="No post has this tag" />`)}`;

export const Bookmarks = () => html`<${Title}>Bookmarks<//>
  ${posts(plaza.list("/v1/bookmarks"), html`<${Empty} icon="bookmark" title="Nothing kept yet"><p>Bookmark a post to find it here. Nobody else sees your bookmarks.</p><//>`)}`;
