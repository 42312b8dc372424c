"""Who is online, and who is typing."""

import time

from realtime.dispatch import on
from realtime.sockets import Socket
from social.contracts.messages import PresenceSnapshot, SayTyping, UnwatchPresence, WatchPresence
from social.contracts.problems import Forbidden, RateLimited
from social.contracts.pushes import Typing, post_room
from social.infra import clock


@on("presence.watch")
async def watch_presence(socket: Socket, message: WatchPresence) -> PresenceSnapshot:
    """Follow whether people are online; who is hidden is left out, as if there were no such person."""
    people = await socket.gateway.room_access.enter_presences(socket, message.user_ids)
    return PresenceSnapshot.model_construct(people=people)


@on("presence.unwatch")
async def unwatch_presence(socket: Socket, message: UnwatchPresence) -> None:
    """Stop following these people."""
    socket.gateway.room_access.leave_presences(socket, message.user_ids)


@on("typing")
async def say_typing(socket: Socket, message: SayTyping) -> None:
    """Tell those who watch a post that one writes a comment; never stored."""
    room = post_room(message.post_id)
    if room not in socket.rooms:
        raise Forbidden("Watch the post first")
    now = time.monotonic()
    if now - socket.typed_at < socket.gateway.settings.typing_every_s:
        raise RateLimited
    socket.typed_at = now
    typing = Typing(post_id=message.post_id, user_id=socket.user_id)
    at_ms = clock.millis(clock.now())
    await socket.plaza.pushes.hint([room], "typing", typing, at_ms=at_ms, author=socket.user_id)
