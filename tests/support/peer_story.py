"""A story of three people in one of the two compared systems; its facts are to be equal in both."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from loadtests.benchmarks.peer_client import Answer, Http, Socket
from loadtests.benchmarks.peer_systems import System
from support.eventually import eventually

PASSWORD = "correct horse battery"
NOBODY = "0" * 24
SECOND_S = 1.0

Facts = dict[str, Any]


@dataclass
class Person:
    """A person with an account, and the pushes to their socket."""

    http: Http
    name: str
    id: str
    token: str
    socket: Socket | None = None
    pushes: list[tuple[str, Any]] = field(default_factory=list)

    async def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """Send a request with their token."""
        return await self.http.ask(method, path, self.token, body)

    async def pushed(self, event: str, holds: Callable[[Any], bool] = lambda _: True) -> Any:
        """Return the first push of that name for which something holds."""

        async def look() -> Any:
            found = [data for name, data in self.pushes if name == event and holds(data)]
            assert found, self.pushes
            return found[0]

        return await eventually(look)

    def receive(self, event: bytes, _at: float) -> None:
        """Keep a push."""
        name, data, *_ = json.loads(event)
        self.pushes.append((name, data))


async def story(system: System) -> Facts:
    """Play the whole story, in order; return its facts."""
    http = Http(system.api)
    facts: Facts = {}
    people = [await _register(http, system, name, facts) for name in ("ada", "bob", "eve")]
    try:
        await _accounts(http, facts)
        post = await _post(*people, facts)
        await _likes(*people[:2], post, facts)
        await _follows(*people[:2], post, facts)
        await _deletes(*people, post, facts)
        await _blocks(people[0], people[2], facts)
        await _likes_again(*people[:2], facts)
    finally:
        for each in people:
            each.socket.close()
        await http.close()
    return facts


async def _register(http: Http, system: System, name: str, facts: Facts) -> Person:
    body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    answer = await http.ask("POST", "/v1/auth/register", None, body)
    facts[f"register {name}"] = answer.status, answer.json["user"] | {"id": ""}
    facts["token keys"] = sorted(answer.json)
    person = Person(http, name, answer.json["user"]["id"], answer.json["access_token"])
    person.socket = await Socket.opened(system.realtime, person.token, person.receive)
    return person


async def _accounts(http: Http, facts: Facts) -> None:
    login = {"username": "ada", "password": PASSWORD}
    again = {"username": "ada", "email": "other@example.org", "password": PASSWORD}
    facts["login"] = (await http.ask("POST", "/v1/auth/login", None, login)).json["user"]["username"]
    facts["wrong password"] = _refusal(await http.ask("POST", "/v1/auth/login", None, login | {"password": "wrong"}))
    facts["name taken"] = _refusal(await http.ask("POST", "/v1/auth/register", None, again))
    facts["no token"] = (await http.ask("GET", "/v1/feed")).status
    facts["a token that is none"] = (await http.ask("GET", "/v1/feed", "x.y.z")).status


async def _post(ada: Person, bob: Person, eve: Person, facts: Facts) -> str:
    made = await ada.ask("POST", "/v1/posts", {"text": "hello"})
    post = str(made.json["id"])
    facts["post"] = made.status, _post_facts(made)
    facts["post keys"] = sorted(made.json)
    facts["post as another sees it"] = _post_facts(await bob.ask("GET", f"/v1/posts/{post}"))
    facts["no text"] = _refusal(await ada.ask("POST", "/v1/posts", {"text": " "}))
    facts["no such post"] = _refusal(await bob.ask("GET", f"/v1/posts/{NOBODY}"))
    facts["no id"] = _refusal(await bob.ask("GET", "/v1/posts/hello"))
    facts["another deletes it"] = _refusal(await eve.ask("DELETE", f"/v1/posts/{post}"))
    return post


async def _likes(ada: Person, bob: Person, post: str, facts: Facts) -> None:
    watched = await bob.socket.call("post.watch", {"post_id": post})
    facts["watch"] = watched["ok"], watched["data"]["likes"]
    facts["watch nothing"] = (await bob.socket.call("post.watch", {"post_id": NOBODY}))["problem"]["code"]
    liked = await bob.ask("PUT", f"/v1/posts/{post}/like")
    facts["like"] = liked.status, liked.json["liked"], liked.json["post_id"] == post
    facts["like keys"] = sorted(liked.json)
    push = await ada.pushed("notification", lambda data: data["type"] == "like")
    facts["pushed"] = _notification(push), push["post_id"] == post, push["target"] == {"kind": "post", "id": post}
    facts["notification keys"] = sorted(push)
    facts["stats"] = (await bob.pushed("post.stats", lambda data: data["likes"] == 1))["post_id"] == post
    again = await bob.ask("PUT", f"/v1/posts/{post}/like")
    facts["liked twice"] = again.status, again.json["liked"], again.json["likes"]
    facts["as who liked it sees it"] = _post_facts(await bob.ask("GET", f"/v1/posts/{post}"))
    facts["as its author sees it"] = _post_facts(await ada.ask("GET", f"/v1/posts/{post}"))


async def _follows(ada: Person, bob: Person, post: str, facts: Facts) -> None:
    followed = await bob.ask("PUT", "/v1/users/ada/follow")
    facts["follow"] = followed.status, followed.json["username"], followed.json["following"]
    facts["pushed of a follow"] = _notification(await ada.pushed("notification", lambda data: data["type"] == "follow"))

    async def shown() -> Facts:
        items = (await bob.ask("GET", "/v1/feed")).json["items"]
        assert [each["id"] for each in items] == [post]
        return items[0]

    line = await eventually(shown)
    facts["in the timeline"] = line["author"]["username"], line["liked"], line["likes"]
    facts["nobody to follow"] = _refusal(await bob.ask("PUT", "/v1/users/nobody_there/follow"))


async def _deletes(ada: Person, bob: Person, eve: Person, post: str, facts: Facts) -> None:
    facts["its author deletes it"] = (await ada.ask("DELETE", f"/v1/posts/{post}")).status
    facts["gone"] = [_refusal(await each.ask("GET", f"/v1/posts/{post}")) for each in (ada, bob, eve)]

    async def empty() -> None:
        assert not (await bob.ask("GET", "/v1/feed")).json["items"]

    await eventually(empty)


async def _blocks(ada: Person, eve: Person, facts: Facts) -> None:
    of_ada = (await ada.ask("POST", "/v1/posts", {"text": "not for eve"})).json["id"]
    of_eve = (await eve.ask("POST", "/v1/posts", {"text": "not for ada"})).json["id"]
    await eve.ask("PUT", "/v1/users/ada/follow")

    async def both() -> None:
        assert len((await eve.ask("GET", "/v1/feed")).json["items"]) == 2

    await eventually(both)
    facts["block"] = (await ada.ask("PUT", "/v1/users/eve/block")).json["blocking"]
    facts["who is blocked finds nobody"] = [
        _refusal(await eve.ask("GET", f"/v1/posts/{of_ada}")),
        _refusal(await eve.ask("PUT", f"/v1/posts/{of_ada}/like")),
        _refusal(await eve.ask("PUT", "/v1/users/ada/follow")),
        (await eve.socket.call("post.watch", {"post_id": of_ada}))["problem"]["code"],
    ]
    facts["nor is found"] = _refusal(await ada.ask("GET", f"/v1/posts/{of_eve}"))
    feed = (await eve.ask("GET", "/v1/feed")).json["items"]
    facts["nor in timelines"] = [each["author"]["username"] for each in feed]


async def _likes_again(ada: Person, bob: Person, facts: Facts) -> None:
    """Like, unlike, like again: that notifies once, and one's own like does not notify."""
    post = (await ada.ask("POST", "/v1/posts", {"text": "hello again"})).json["id"]
    like = f"/v1/posts/{post}/like"
    await ada.ask("PUT", like)
    facts["took it back"] = []
    for method in ("PUT", "DELETE", "PUT"):
        facts["took it back"].append((await bob.ask(method, like)).json["liked"])
        await ada.pushed("notification", lambda data: data["post_id"] == post)
    await asyncio.sleep(SECOND_S)  # time for a push that should not come

    async def one() -> list[Any]:
        items = (await ada.ask("GET", "/v1/notifications")).json["items"]
        found = [each for each in items if each["type"] == "like" and each["post_id"] == post]
        assert found
        return found

    facts["notified once"] = [_notification(each) for each in await eventually(one)]
    facts["pushed once"] = len([1 for name, data in ada.pushes if name == "notification" and data["post_id"] == post])


def _notification(data: Any) -> Facts:
    return {
        "type": data["type"],
        "actors": [each["username"] for each in data["actors"]],
        "count": data["count"],
        "read_at": data["read_at"],
    }


def _post_facts(answer: Answer) -> Facts:
    data = answer.json
    return {name: data[name] for name in ("text", "likes", "liked", "comments", "edited_at")} | {
        "author": data["author"]["username"]
    }


def _refusal(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["code"]
