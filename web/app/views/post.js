// One post and its conversation.

import { plaza, useLive } from "../state.js";
import { Comments } from "../parts/comments.js";
import { Post } from "../parts/post.js";
import { Empty, Failure, Skeleton, Title, html } from "../ui.js";

export function PostView({ id }) {
  const store = plaza.post(id);
  const { value, status, error } = useLive(store);
  const title = html`<${Title} back>Post<//>`;
  if (value) return html`${title}<${Post} post=${value} whole /><${Comments} post_id=${id} />`;
  if (status === "loading") return html`${title}<${Skeleton} rows=${1} />`;
  if (status === "failed" && error?.status !== 422) return html`${title}<${Failure} error=${error} again=${() => store.refresh()} />`;
  return html`${title}<${Empty} icon="comment" title="This post is not here"><p>It was deleted, or it is not for you to see.</p><a class="button quiet" href="#/">Home</a><//>`;
}
