"""Reposts, one a person and post; the workers show them to the person's followers."""

from social.contracts.events import PostReposted, PostUnreposted
from social.contracts.posts import RepostState
from social.contracts.problems import Forbidden, NotFound
from social.infra.store.mongo import Transaction
from social.infra.store.rows import POSTS, PostRow
from social.posts import access, interactions, publishing


async def repost(tx: Transaction, post_id: str, *, by: str) -> RepostState:
    """Show a post to one's own followers; a second time changes nothing. Raises NotFound.

    Raises Forbidden for a post that is for its author's followers only.
    """
    seen = await access.post(tx, post_id, viewer=by)
    post, author = seen.post, seen.author
    if author["_id"] != by and (author.get("private") or post.get("visibility") == "followers"):
        raise Forbidden("This post is for its author's followers")
    if not seen.reposted:
        repost_id = interactions.add(tx, post_id, by, "repost_id", before=seen.did)
        tx.record(PostReposted(post_id=post_id, author_id=author["_id"], by=by, repost_id=repost_id))
    return _state(post, reposted=True)


async def unrepost(tx: Transaction, post_id: str, *, by: str) -> RepostState:
    """Take a repost back, also across a block, or from a post gone private. Raises NotFound."""
    before = await interactions.of(tx, post_id, by)
    repost_id = before.get("repost_id") if before else None
    if before is None or repost_id is None:
        post = await access.readable(tx, post_id, viewer=by)
    else:
        found = await tx.get(POSTS, post_id)
        if found is None:
            raise NotFound
        post = found
        interactions.remove(tx, "repost_id", before=before)
        tx.record(PostUnreposted(post_id=post_id, author_id=post["author_id"], by=by, repost_id=repost_id))
    return _state(post, reposted=False)


def _state(post: PostRow, *, reposted: bool) -> RepostState:
    counts = publishing.counts(post)
    return RepostState.model_construct(
        post_id=post["_id"], reposted=reposted, reposts=counts["reposts"], version=counts["version"]
    )
