"""Presence: people who are online or typing."""

import time

from realtime.dispatch import EventContext, on
from realtime.sockets import Socket
from social.contracts.messages import PresenceSnapshot, SayTyping, UnwatchPresence, WatchPresence
from social.contracts.problems import Forbidden, RateLimited
from social.contracts.pushes import Typing, post_room
from social.infra import clock


@on("presence.watch")
async def watch_presence(context: EventContext, socket: Socket, message: WatchPresence) -> PresenceSnapshot:
    """Follow whether people are online; hidden people are left out, as if there were no such person."""
    people = await context.room_access.enter_presences(socket, message.user_ids)
    return PresenceSnapshot.model_construct(people=people)


@on("presence.unwatch")
async def unwatch_presence(context: EventContext, socket: Socket, message: UnwatchPresence) -> None:
    """Stop following these people."""
    context.room_access.leave_presences(socket, message.user_ids)


@on("typing")
async def say_typing(context: EventContext, socket: Socket, message: SayTyping) -> None:
    """Publish to the watchers of a post that a comment is being written; never stored."""
    room = post_room(message.post_id)
    if room not in socket.rooms:
        raise Forbidden("Watch the post first")
    now = time.monotonic()
    if now - socket.typed_at < context.typing_every_s:
        raise RateLimited
    socket.typed_at = now
    typing = Typing(post_id=message.post_id, user_id=socket.user_id)
    at_ms = clock.millis(clock.now())
    await context.plaza.pushes.hint([room], "typing", typing, at_ms=at_ms, author=socket.user_id)
