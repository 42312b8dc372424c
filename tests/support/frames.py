"""Every frame of the catalogue once, as three people's sockets carried it: the examples of the documents."""

from typing import Any

import aiohttp

from social.contracts.messages import CLIENT_MESSAGES
from social.contracts.pushes import SERVER_EVENTS
from support.people import Door, Person
from support.sockets import Wire
from support.system import Embedded

Frames = dict[str, dict[str, Any]]


class Recorder:
    """The requests of three people, the answers, and the pushes."""

    def __init__(self, http: aiohttp.ClientSession, system: Embedded) -> None:
        self._http, self._system = http, system
        self._door = Door(http, system.api_url)
        self.pushed: dict[str, Any] = {}
        self.asked: dict[str, Any] = {}
        self.wires: list[Wire] = []

    async def person(self, name: str) -> tuple[Person, Wire]:
        person = await self._door.register(name)
        return person, await self.wire(person)

    async def wire(self, person: Person) -> Wire:
        wire = await Wire(self._system.realtime_port, self._http).open({"token": person.tokens.access_token})
        self.wires.append(wire)
        return wire

    async def ask(self, wire: Wire, event: str, refused: bool = False, **message: Any) -> Any:
        """Send a message and return its ack; the first of its name is kept."""
        ack = await wire.ask(event, message)
        assert ack["ok"] is not refused, ack
        if refused:
            self.asked[event]["refused"] = ack
        else:
            self.asked.setdefault(event, {"ask": message, "ack": ack})
        return ack.get("data")

    async def first_event(self, wire: Wire, event: str) -> Any:
        """Return the first frame of an event that this socket has carried."""
        await wire.event(event)
        args = next(each for each in wire.events if each[0] == event)
        assert len(args) == (3 if SERVER_EVENTS[event].kind == "stream" else 2), args
        self.pushed.setdefault(event, dict(zip(("body", "offset"), args[1:], strict=False)))
        return args[1]


async def collect(system: Embedded) -> Frames:
    """Return a real frame of every event and message; the system has stopped afterwards."""
    async with aiohttp.ClientSession() as http:
        recorder = Recorder(http, system)
        try:
            await _act(recorder)
            await system.stop()
            await recorder.first_event(recorder.wires[0], "drain")
        finally:
            for wire in recorder.wires:
                await wire.close()
        return {
            "pushed": {name: recorder.pushed[name] for name in SERVER_EVENTS},
            "asked": {name: recorder.asked[name] for name in CLIENT_MESSAGES},
        }


async def _act(recorder: Recorder) -> None:
    ask, first_event = recorder.ask, recorder.first_event
    ada, hers = await recorder.person("ada")
    bob, his = await recorder.person("bob")
    other = await recorder.wire(ada)

    await ask(his, "user.follow", username="ada")
    await first_event(his, "feed.changed")
    await first_event(his, "user.stats")
    await first_event(hers, "notification")
    await ask(hers, "sync", after=str(hers.offset).partition(".")[0] + ".0")
    post = (await ask(hers, "post.create", text="hello, @bob, this is #plaza"))["id"]
    await first_event(his, "feed.post")

    await ask(his, "post.watch", post_id=post)
    await ask(hers, "post.watch", post_id=post)
    await ask(his, "typing", post_id=post)
    await first_event(hers, "typing")
    await ask(hers, "post.edit", post_id=post, text="hello, @bob", rev=0)
    await first_event(his, "post.updated")
    comment = (await ask(his, "comment.create", post_id=post, text="a nice word"))["id"]
    await first_event(his, "comment.created")
    await ask(his, "comment.edit", comment_id=comment, text="a nicer word", rev=0)
    await first_event(his, "comment.updated")
    await ask(hers, "comment.like", comment_id=comment)
    await first_event(his, "comment.stats")
    await ask(hers, "comment.unlike", comment_id=comment)
    await ask(his, "comment.delete", comment_id=comment)
    await first_event(his, "comment.deleted")

    await ask(his, "post.like", post_id=post)
    await first_event(his, "post.stats")
    await ask(his, "post.like", refused=True, post_id="0" * 24)
    await ask(his, "post.repost", post_id=post)
    await ask(his, "post.unrepost", post_id=post)
    await ask(his, "post.bookmark", post_id=post)
    await ask(his, "post.unbookmark", post_id=post)

    await ask(hers, "presence.watch", user_ids=[bob.id])
    carol, theirs = await recorder.person("carol")
    await ask(hers, "presence.watch", user_ids=[carol.id])
    await _a_group_grows(recorder, post, hers, theirs)
    await ask(his, "post.unlike", post_id=post)
    await ask(theirs, "post.unlike", post_id=post)
    await first_event(hers, "notification.removed")
    await _reads(recorder, hers, other)

    assert (await carol.ask("POST", "/v1/auth/logout-all")).status == 204
    await first_event(theirs, "session.revoked")
    await first_event(hers, "presence")
    await ask(hers, "presence.unwatch", user_ids=[bob.id])
    renewed = (await ada.refresh()).body["access_token"]
    await ask(hers, "session.renew", token=renewed)
    await ask(his, "user.unfollow", username="ada")
    await ask(hers, "post.unwatch", post_id=post)
    await ask(hers, "post.delete", post_id=post)
    await first_event(his, "post.deleted")


async def _a_group_grows(recorder: Recorder, post: str, hers: Wire, theirs: Wire) -> None:
    def likes() -> list[Any]:
        return [each for each in hers.named("notification") if each["type"] == "like" and each["target"]["id"] == post]

    await hers.until(likes)
    await recorder.ask(theirs, "post.like", post_id=post)
    await recorder.first_event(hers, "notification.updated")


async def _reads(recorder: Recorder, hers: Wire, other: Wire) -> None:
    (first, *_) = hers.named("notification")
    await recorder.ask(hers, "notifications.read", ids=[first["id"]])
    await recorder.first_event(other, "notifications.read")
