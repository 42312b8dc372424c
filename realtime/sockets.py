"""One authenticated socket, and all of those that are here."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from realtime.limits import Bucket
from social.contracts.pushes import Push
from social.infra.process.plaza import Plaza
from social.infra.security.tokens import Access

if TYPE_CHECKING:
    from realtime.app import Gateway


class Everybody:
    """Whom somebody does not see who blocks, mutes or is blocked by more people than a gateway keeps: nobody live."""

    def __contains__(self, _: object) -> bool:
        return True


EVERYBODY = Everybody()
NOBODY: frozenset[str] = frozenset()
Hidden = frozenset[str] | Everybody

MOST_HELD = 512  # pushes held for one socket; beyond these the stream is read again


class Socket:
    """Who is at the other end, where they are in their stream, and what they watch."""

    __slots__ = (
        "at_ms",
        "bucket",
        "connected",
        "eio_sid",
        "ended",
        "epoch",
        "expires_at",
        "gateway",
        "gen",
        "generation",
        "hidden",
        "last",
        "looked",
        "looks",
        "outrun",
        "pending",
        "reading",
        "refused",
        "rerun",
        "rooms",
        "session_id",
        "sid",
        "typed_at",
        "user_id",
    )

    def __init__(self, gateway: "Gateway", access: Access, eio_sid: str, bucket: Bucket) -> None:
        self.gateway = gateway
        self.user_id = access.user_id
        self.session_id = access.session_id
        self.generation = access.generation
        self.expires_at = access.expires_at
        self.eio_sid = eio_sid
        self.bucket = bucket
        self.refused = 0  # messages beyond its rate that are not forgiven yet
        self.sid = ""
        self.gen: int | None = 0  # which claim of its sid this is; None while Redis is asked
        self.outrun = 0  # the latest claim of its sid that we heard of
        self.epoch = ""
        self.last = 0  # the seq of the last stream event written
        self.pending: list[Push] | None = []  # pushes that wait while the stream is read; None: written as they come
        self.reading = False  # a catch-up is under way
        self.rerun = False  # and when it is done, another one
        self.connected = False
        self.ended = False
        self.rooms: set[str] = set()  # entered through doors; not the user's own
        self.hidden: Hidden = NOBODY  # authors whose pushes are kept from this person
        self.looks = 0  # how often `hidden` had to be read again
        self.looked = 0  # of these, the last that was
        self.typed_at = 0.0

    @property
    def plaza(self) -> Plaza:
        """The system, for the domain's verbs and readers."""
        return self.gateway.plaza

    def hides(self, author: str) -> bool:
        """Whether what this author causes is kept from this person."""
        return author in self.hidden and author not in ("", self.user_id)


class Sockets:
    """The sockets of this gateway, by all that they are looked up by; those still connecting count by family."""

    def __init__(self) -> None:
        self._by_sid: dict[str, Socket] = {}
        self._by_user: dict[str, set[Socket]] = defaultdict(set)
        self._by_family: dict[str, set[Socket]] = defaultdict(set)
        self._hiders: set[Socket] = set()
        self._hidden: Counter[str] = Counter()  # by how many hiders; most authors are hidden from nobody
        self._blind: set[Socket] = set()

    def __len__(self) -> int:
        return len(self._by_sid)

    def __iter__(self) -> Iterator[Socket]:
        return iter(list(self._by_sid.values()))

    def expect(self, socket: Socket) -> None:
        """A connect began: from here on a revocation finds it."""
        self._by_user[socket.user_id].add(socket)
        self._by_family[socket.session_id].add(socket)

    def add(self, socket: Socket) -> None:
        """It is connected."""
        self._by_sid[socket.sid] = socket
        self.hide(socket, socket.hidden)

    def remove(self, socket: Socket) -> None:
        """It is gone, or never came; nothing else is touched if another one has its sid now."""
        if self._by_sid.get(socket.sid) is socket:
            del self._by_sid[socket.sid]
        self._show(socket)
        for index, key in ((self._by_user, socket.user_id), (self._by_family, socket.session_id)):
            if key in index:
                index[key].discard(socket)
                if not index[key]:
                    del index[key]

    def get(self, sid: str) -> Socket | None:
        """The connected socket with this id."""
        return self._by_sid.get(sid)

    def of_user(self, user_id: str) -> list[Socket]:
        """Every socket of one person, those that are connecting too."""
        return list(self._by_user.get(user_id, ()))

    def of_family(self, session_id: str) -> list[Socket]:
        """Every socket of one login, those that are connecting too."""
        return list(self._by_family.get(session_id, ()))

    def hide(self, socket: Socket, hidden: Hidden) -> None:
        """From now on these authors' pushes are kept from a socket."""
        self._show(socket)
        socket.hidden = hidden
        if hidden == NOBODY or self._by_sid.get(socket.sid) is not socket:
            return
        self._hiders.add(socket)
        if isinstance(hidden, Everybody):
            self._blind.add(socket)
        else:
            self._hidden.update(hidden)

    def _show(self, socket: Socket) -> None:
        if socket not in self._hiders:
            return
        self._hiders.discard(socket)
        self._blind.discard(socket)
        for author in socket.hidden if isinstance(socket.hidden, frozenset) else ():
            self._hidden[author] -= 1
            if not self._hidden[author]:
                del self._hidden[author]

    def hiding(self, author: str) -> list[Socket]:
        """The connected sockets that this author's pushes are kept from."""
        among = self._hiders if author in self._hidden else self._blind
        return [socket for socket in among if socket.hides(author)]

    def users(self) -> list[str]:
        """Everybody who is here."""
        return list(self._by_user)
