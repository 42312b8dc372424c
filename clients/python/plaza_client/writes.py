"""Everything a person can do: each write is repeated until it is answered, and then seen in the stores."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar

from plaza_client.models import (
    BookmarkState,
    Comment,
    CommentGone,
    CommentLikeState,
    FollowState,
    LikeState,
    Post,
    PostGone,
    Relationship,
    RepostState,
    Unread,
)
from plaza_client.received import Received
from plaza_client.rest import segment

R = TypeVar("R", bound=Received)

Visibility = Literal["public", "followers"]


class Writes(ABC):
    """The writes of a client. All raise PlazaError where they are refused, or not answered for too long."""

    @abstractmethod
    async def rest(
        self, method: str, path: str, body: Any = None, *, params: dict[str, str] | None = None, key: str | None = None
    ) -> Any:
        """Return the decoded answer to a REST request."""

    @abstractmethod
    def _answered(self, answer: Received) -> None: ...

    async def publish(self, text: str, *, media: Sequence[str] = (), visibility: Visibility = "public") -> Post:
        """Publish a post with up to four pictures, by their ids."""
        body = {"text": text, "media": list(media), "visibility": visibility}
        return await self._write("POST", "/v1/posts", Post, body)

    async def edit_post(self, post_id: str, text: str) -> Post:
        """Change the text of your post; the last edit wins."""
        return await self._write("PATCH", f"/v1/posts/{segment(post_id)}", Post, {"text": text})

    async def delete_post(self, post_id: str) -> None:
        """Delete your post, with its comments and likes."""
        await self.rest("DELETE", f"/v1/posts/{segment(post_id)}")
        self._answered(PostGone(post_id=post_id))

    async def like(self, post_id: str) -> LikeState:
        """Like a post; a second like changes nothing."""
        return await self._write("PUT", f"/v1/posts/{segment(post_id)}/like", LikeState)

    async def unlike(self, post_id: str) -> LikeState:
        """Take a like back."""
        return await self._write("DELETE", f"/v1/posts/{segment(post_id)}/like", LikeState)

    async def repost(self, post_id: str) -> RepostState:
        """Repost a post to your followers; a second repost changes nothing."""
        return await self._write("PUT", f"/v1/posts/{segment(post_id)}/repost", RepostState)

    async def unrepost(self, post_id: str) -> RepostState:
        """Take a repost back."""
        return await self._write("DELETE", f"/v1/posts/{segment(post_id)}/repost", RepostState)

    async def bookmark(self, post_id: str) -> BookmarkState:
        """Bookmark a post."""
        return await self._write("PUT", f"/v1/posts/{segment(post_id)}/bookmark", BookmarkState)

    async def unbookmark(self, post_id: str) -> BookmarkState:
        """Remove a post from your bookmarks."""
        return await self._write("DELETE", f"/v1/posts/{segment(post_id)}/bookmark", BookmarkState)

    async def comment(self, post_id: str, text: str, *, parent: str | None = None) -> Comment:
        """Comment on a post, or reply to a comment under it, by its id."""
        body = {"text": text} | ({"parent_id": parent} if parent else {})
        return await self._write("POST", f"/v1/posts/{segment(post_id)}/comments", Comment, body)

    async def edit_comment(self, comment_id: str, text: str) -> Comment:
        """Change the text of your comment; the last edit wins."""
        return await self._write("PATCH", f"/v1/comments/{segment(comment_id)}", Comment, {"text": text})

    async def delete_comment(self, comment: Comment) -> None:
        """Delete your comment, or one under your post, with its replies."""
        await self.rest("DELETE", f"/v1/comments/{segment(comment.id)}")
        self._answered(CommentGone(comment_id=comment.id, post_id=comment.post_id, parent_id=comment.parent_id))

    async def like_comment(self, comment_id: str) -> CommentLikeState:
        """Like a comment; a second like changes nothing."""
        return await self._write("PUT", f"/v1/comments/{segment(comment_id)}/like", CommentLikeState)

    async def unlike_comment(self, comment_id: str) -> CommentLikeState:
        """Take a like of a comment back."""
        return await self._write("DELETE", f"/v1/comments/{segment(comment_id)}/like", CommentLikeState)

    async def follow(self, username: str) -> FollowState:
        """Follow a person, or ask to where their account is private."""
        return await self._write("PUT", f"/v1/users/{segment(username)}/follow", FollowState)

    async def unfollow(self, username: str) -> FollowState:
        """Stop following a person."""
        return await self._write("DELETE", f"/v1/users/{segment(username)}/follow", FollowState)

    async def block(self, username: str) -> Relationship:
        """Hide a person and yourself from each other."""
        return await self._write("PUT", f"/v1/users/{segment(username)}/block", Relationship)

    async def unblock(self, username: str) -> Relationship:
        """Take a block back."""
        return await self._write("DELETE", f"/v1/users/{segment(username)}/block", Relationship)

    async def mute(self, username: str) -> Relationship:
        """Hide a person from your timeline and notifications."""
        return await self._write("PUT", f"/v1/users/{segment(username)}/mute", Relationship)

    async def unmute(self, username: str) -> Relationship:
        """Take a mute back."""
        return await self._write("DELETE", f"/v1/users/{segment(username)}/mute", Relationship)

    async def mark_read(self, *, ids: Sequence[str] | None = None, all_until: datetime | None = None) -> Unread:
        """Mark up to 50 notifications as read, or all that changed up to a time; your other devices are updated."""
        body = {"ids": list(ids)} if ids is not None else {"all_until": all_until}
        return await self._write("POST", "/v1/notifications/read", Unread, body)

    async def _write(self, method: str, path: str, answers: type[R], body: Any = None) -> R:
        answer = answers.model_validate(await self.rest(method, path, body))
        self._answered(answer)
        return answer
