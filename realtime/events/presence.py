"""Who is online, and who is typing."""

import time

from realtime.dispatch import on
from realtime.sockets import Session
from social.contracts.messages import PresenceSnapshot, SayTyping, UnwatchPresence, WatchPresence
from social.contracts.problems import Forbidden, RateLimited
from social.contracts.pushes import Typing, post_room
from social.infra import clock


@on("presence.watch")
async def watch_presence(session: Session, message: WatchPresence) -> PresenceSnapshot:
    """Follow whether people are online; who is hidden is left out, as if there were no such person."""
    people = await session.gateway.doors.enter_presences(session, message.user_ids)
    return PresenceSnapshot.model_construct(people=people)


@on("presence.unwatch")
async def unwatch_presence(session: Session, message: UnwatchPresence) -> None:
    """Stop following these people."""
    session.gateway.doors.leave_presences(session, message.user_ids)


@on("typing")
async def say_typing(session: Session, message: SayTyping) -> None:
    """Tell those who watch a post that one writes a comment; never stored."""
    room = post_room(message.post_id)
    if room not in session.rooms:
        raise Forbidden("Watch the post first")
    now = time.monotonic()
    if now - session.typed_at < session.gateway.settings.typing_every_s:
        raise RateLimited
    session.typed_at = now
    typing = Typing(post_id=message.post_id, user_id=session.user_id)
    at_ms = clock.millis(clock.now())
    await session.social.pushes.hint([room], "typing", typing, at_ms=at_ms, author=session.user_id)
