"""Handlers of the messages that clients may send, one file a domain; importing this package registers all of them."""

from realtime.events import comments, follows, likes, notifications, posts, presence, sessions

__all__ = ["comments", "follows", "likes", "notifications", "posts", "presence", "sessions"]
