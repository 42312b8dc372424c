"""An authenticated socket, and all sockets of this gateway."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from realtime.limits import Bucket
from social.contracts.pushes import Push
from social.infra.security.tokens import Access


class Everybody:
    """The hidden authors of a person who has more of them than a gateway keeps: it contains every author."""

    def __contains__(self, _: object) -> bool:
        return True


EVERYBODY = Everybody()
NOBODY: frozenset[str] = frozenset()
Hidden = frozenset[str] | Everybody

MOST_PENDING = 512  # pushes that wait for one socket; beyond these the stream is read again


class Login(NamedTuple):
    """The login of a socket, by the names that revocations know it by."""

    user_id: str
    session_id: str
    generation: int


class Socket:
    """An authenticated socket: its person, its position in their stream, and the rooms it is in."""

    __slots__ = (
        "bucket",
        "claim_gen",
        "connected",
        "eio_sid",
        "ended",
        "epoch",
        "expires_at",
        "generation",
        "hidden",
        "hidden_changes",
        "hidden_read",
        "last",
        "login_id",
        "newest_claim_gen",
        "pending",
        "reading",
        "refused",
        "rerun",
        "rooms",
        "sid",
        "typed_at",
        "user_id",
    )

    def __init__(self, access: Access, eio_sid: str, bucket: Bucket) -> None:
        self.user_id = access.user_id
        self.login_id = access.session_id
        self.generation = access.generation  # of the account's logins
        self.expires_at = access.expires_at
        self.eio_sid = eio_sid
        self.bucket = bucket
        self.refused = 0  # messages beyond its rate that are not forgiven yet
        self.sid = ""
        self.claim_gen: int | None = 0  # the generation of its claim of the sid; None while Redis is asked
        self.newest_claim_gen = 0  # of the latest claim of the sid that this gateway heard of
        self.epoch = ""
        self.last = 0  # the seq of the last stream event written
        self.pending: list[Push] | None = []  # pushes that wait while the stream is read; None: written as they come
        self.reading = False  # a catch-up is under way
        self.rerun = False  # another catch-up follows this one
        self.connected = False
        self.ended = False
        self.rooms: set[str] = set()  # entered through `RoomAccess`; not the user's own
        self.hidden: Hidden = NOBODY  # authors whose pushes are kept from this person
        self.hidden_changes = 0  # how often `hidden` had to be read again
        self.hidden_read = 0  # the last of these changes that was read
        self.typed_at = 0.0

    @property
    def login(self) -> Login:
        """The login that revocations are looked up for."""
        return Login(self.user_id, self.login_id, self.generation)

    def hides(self, author: str) -> bool:
        """Return whether pushes that this author causes are kept from this person."""
        return author in self.hidden and author not in ("", self.user_id)


class Sockets:
    """The sockets of this gateway, by each key they are looked up by; connecting sockets count by person and login."""

    def __init__(self) -> None:
        self._by_sid: dict[str, Socket] = {}
        self._by_user: dict[str, set[Socket]] = defaultdict(set)
        self._by_login: dict[str, set[Socket]] = defaultdict(set)
        self._hiding_some: set[Socket] = set()
        self._hidden: Counter[str] = Counter()  # authors, by how many sockets hide them; most are hidden from nobody
        self._hiding_everybody: set[Socket] = set()

    def __len__(self) -> int:
        return len(self._by_sid)

    def __iter__(self) -> Iterator[Socket]:
        return iter(list(self._by_sid.values()))

    def add_connecting(self, socket: Socket) -> None:
        """Add a socket whose connect began: from here on a revocation finds it."""
        self._by_user[socket.user_id].add(socket)
        self._by_login[socket.login_id].add(socket)

    def add(self, socket: Socket) -> None:
        """Add a socket that has connected."""
        self._by_sid[socket.sid] = socket
        self.set_hidden(socket, socket.hidden)

    def remove(self, socket: Socket) -> None:
        """Remove a socket that has left or never connected; another socket that now has its sid stays."""
        if self._by_sid.get(socket.sid) is socket:
            del self._by_sid[socket.sid]
        self._clear_hidden(socket)
        for index, key in ((self._by_user, socket.user_id), (self._by_login, socket.login_id)):
            if key in index:
                index[key].discard(socket)
                if not index[key]:
                    del index[key]

    def get(self, sid: str) -> Socket | None:
        """Return the connected socket with this id."""
        return self._by_sid.get(sid)

    def of_user(self, user_id: str) -> list[Socket]:
        """Return all sockets of a person, connecting sockets included."""
        return list(self._by_user.get(user_id, ()))

    def of_login(self, login_id: str) -> list[Socket]:
        """Return all sockets of a login, connecting sockets included."""
        return list(self._by_login.get(login_id, ()))

    def set_hidden(self, socket: Socket, hidden: Hidden) -> None:
        """Keep pushes of these authors from a socket from now on."""
        self._clear_hidden(socket)
        socket.hidden = hidden
        if hidden == NOBODY or self._by_sid.get(socket.sid) is not socket:
            return
        self._hiding_some.add(socket)
        if isinstance(hidden, Everybody):
            self._hiding_everybody.add(socket)
        else:
            self._hidden.update(hidden)

    def _clear_hidden(self, socket: Socket) -> None:
        if socket not in self._hiding_some:
            return
        self._hiding_some.discard(socket)
        self._hiding_everybody.discard(socket)
        for author in socket.hidden if isinstance(socket.hidden, frozenset) else ():
            self._hidden[author] -= 1
            if not self._hidden[author]:
                del self._hidden[author]

    def hiding(self, author: str) -> list[Socket]:
        """Return the connected sockets that this author's pushes are kept from."""
        among = self._hiding_some if author in self._hidden else self._hiding_everybody
        return [socket for socket in among if socket.hides(author)]

    def users(self) -> list[str]:
        """Return the ids of all people with sockets here."""
        return list(self._by_user)
