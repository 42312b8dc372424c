"""Connection state recovery: the signed pid, claims of socket ids in Redis, and the rooms that a socket returns to."""

import hmac
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

from social.contracts.codec import base64url, decode, encode, from_base64url
from social.contracts.pushes import parse_offset
from social.infra import clock
from social.infra.redis.redis import Redis, together

PID_LIVES_S = 7 * 24 * 3600
LONGEST_PID = 512
MOST_LEFT = 20_000  # socket ids that a gateway remembers as left; Redis has them all

# The newer claim has the greater gen, also after Redis forgot. Returns {last node, gen, rooms, whether it was left}.
CLAIM = """
local gen = math.max(tonumber(redis.call('HGET', KEYS[1], 'gen') or '0') + 1, tonumber(ARGV[2]))
local held = redis.call('HGET', KEYS[1], 'node')
redis.call('HSET', KEYS[1], 'node', ARGV[1], 'gen', string.format('%.0f', gen))
redis.call('EXPIRE', KEYS[1], ARGV[3])
return {held, string.format('%.0f', gen), redis.call('SMEMBERS', KEYS[2]), redis.call('HEXISTS', KEYS[1], 'left')}
"""


class Pid(NamedTuple):
    """The state a client resumes with: its socket id and login, and the position of its stream when it connected."""

    sid: str
    user_id: str
    login_id: str
    epoch: str
    base: int
    node: str
    issued_at: int


class Pids:
    """Signs and reads pids."""

    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, b"plaza pid", "sha256")

    def sign(self, pid: Pid) -> str:
        """Return the signed text of a pid, which the client keeps."""
        body = base64url(encode(list(pid)))
        return f"{body}.{self._mac(body)}"

    def read(self, text: object, *, user_id: str, login_id: str) -> Pid | None:
        """Return the pid if it is of this login; None for everything else, which then gets a fresh one."""
        if not isinstance(text, str) or len(text) > LONGEST_PID or not text.isascii():
            return None
        body, _, mac = text.partition(".")
        if not hmac.compare_digest(mac, self._mac(body)):
            return None
        try:
            pid = Pid(*decode(from_base64url(body)))
        except (ValueError, TypeError):  # signed by another release
            return None
        ours = pid.user_id == user_id and pid.login_id == login_id
        return pid if ours and time.time() - pid.issued_at < PID_LIVES_S else None

    def _mac(self, body: str) -> str:
        return base64url(hmac.digest(self._key, body.encode(), "sha256")[:16])


def position(pid: Pid, claimed: object) -> object:
    """Return the client's position: the later of its last event and its connect; None for an unreadable offset."""
    if claimed is None:
        return f"{pid.epoch}.{pid.base}"
    seen = parse_offset(claimed)
    if seen is None or seen[0] != pid.epoch:
        return None
    return f"{pid.epoch}.{max(seen[1], pid.base)}"


class Claim(NamedTuple):
    """A socket id that now belongs to this gateway."""

    gen: int
    held_by: str | None
    rooms: list[str]
    left: bool  # its client closed it, or was disconnected: it does not come back


def _socket(redis: Redis, sid: str) -> str:
    return f"socket:{together(redis, sid)}"


def _rooms(redis: Redis, sid: str) -> str:
    return f"watched:{together(redis, sid)}"


async def claim(redis: Redis, sid: str, node: str) -> Claim:
    """Take a socket id over; raises errors of Redis."""
    now = clock.millis(clock.now())
    keys = _socket(redis, sid), _rooms(redis, sid)
    answer: Any = await redis.eval(CLAIM, len(keys), *keys, node, str(now), str(PID_LIVES_S))
    held, gen, rooms, left = answer
    return Claim(int(gen), held.decode() if held else None, [room.decode() for room in rooms], bool(left))


async def leave(redis: Redis, sid: str) -> None:
    """Mark a socket id as left for good, for all gateways; raises errors of Redis."""
    socket = _socket(redis, sid)
    async with redis.pipeline(transaction=False) as pipeline:
        pipeline.hset(socket, "left", "1")
        pipeline.expire(socket, PID_LIVES_S)
        pipeline.delete(_rooms(redis, sid))
        await pipeline.execute()


class Left:
    """The latest socket ids that were left for good on this gateway: known here before Redis knows them."""

    def __init__(self) -> None:
        self._sids: OrderedDict[str, None] = OrderedDict()

    def add(self, sid: str) -> None:
        """Remember a socket id."""
        self._sids[sid] = None
        while len(self._sids) > MOST_LEFT:
            self._sids.popitem(last=False)

    def __contains__(self, sid: str) -> bool:
        return sid in self._sids


async def remember(redis: Redis, sid: str, *, entered: Sequence[str], left: Sequence[str]) -> None:
    """Keep the rooms a socket is in, for when it returns elsewhere; raises errors of Redis."""
    rooms = _rooms(redis, sid)
    async with redis.pipeline(transaction=False) as pipeline:
        if entered:
            pipeline.sadd(rooms, *entered)
            pipeline.expire(rooms, PID_LIVES_S)
        if left:
            pipeline.srem(rooms, *left)
        await pipeline.execute()
