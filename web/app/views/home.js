// The home timeline. Newer posts wait behind a button, so that nothing moves below the reader's eyes.

import { plaza, me, useLive } from "../state.js";
import { Compose } from "../parts/compose.js";
import { Post } from "../parts/post.js";
import { Empty, Items, Title, html } from "../ui.js";
import { SecondWindow } from "./welcome.js";

export function Home() {
  return html`<${Title}>Home<//>
    <${Compose} key=${me().id} />
    <${Fresh} />
    <${Items} store=${plaza.feed} item=${(post) => html`<${Post} post=${post} />`} empty=${html`<${Empty} icon="window" title="Quiet so far">
      <p>Posts of the people you follow arrive here by themselves. Write the first one above, or open a second window, join as somebody else, and watch each of them move the other.</p>
      <div class="row"><${SecondWindow} /><a class="button quiet" href="#/search">Find people</a></div>
    <//>`} />`;
}

function Fresh() {
  const { fresh } = useLive(plaza.feed);
  const show = () => {
    plaza.feed.showFresh();
    scrollTo({ top: 0 });
  };
  return html`<div class="fresh" role="status">${fresh.length > 0 && html`<button onClick=${show}>${fresh.length === 1 ? "1 new post" : `${fresh.length > 99 ? "99+" : fresh.length} new posts`}</button>`}</div>`;
}
