"""The forms of REDIS_URL: one server, a cluster, or a server that sentinels watch."""

import re
from typing import NamedTuple
from urllib.parse import parse_qs, unquote

KINDS = {"cluster": 6_379, "sentinel": 26_379}  # and the ports of their servers, where the URL names none
HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:@/?#\s]+)(?::(?P<port>\d{1,5}))?")
FORMS = (
    "it must be redis://host:port/db, redis+cluster://host:port,host:port or redis+sentinel://host:port,host:port/name"
)


class ServersUrl(NamedTuple):
    """A `redis+cluster://` or `redis+sentinel://` URL in its parts; `rediss+` means TLS."""

    kind: str
    tls: bool
    hosts: tuple[tuple[str, int], ...]
    username: str | None
    password: str | None
    service: str = ""
    db: int = 0
    sentinel_username: str | None = None
    sentinel_password: str | None = None


def servers_of(url: str) -> ServersUrl | None:
    """Return the parts of a URL of several servers, None for a URL of one; raises ValueError, without a secret."""
    scheme, _, rest = url.partition("://")
    if scheme in ("redis", "rediss", "unix") and rest:
        return None
    begins, _, kind = scheme.partition("+")
    if begins not in ("redis", "rediss") or kind not in KINDS or not rest:
        raise ValueError(FORMS)
    address, _, query = rest.partition("?")
    servers, _, path = address.partition("/")
    names, at, hosts = servers.rpartition("@")
    user, colon, password = names.partition(":")
    if at and not (colon and password):
        raise ValueError("before the @ it must have a user and a password: user:password@ or :password@")
    found = ServersUrl(
        kind,
        begins == "rediss",
        tuple(_host(each, KINDS[kind]) for each in hosts.split(",")),
        unquote(user) or None,
        unquote(password) or None,
    )
    return _sentinel(found, path, query) if kind == "sentinel" else _cluster(found, path, query)


def _host(text: str, port: int) -> tuple[str, int]:
    match = HOST.fullmatch(text.strip())
    if match is None or not 0 < int(match["port"] or port) < 65_536:
        raise ValueError("each of its servers must be host or host:port, with commas between them")
    return match["host"].strip("[]"), int(match["port"] or port)


def _cluster(found: ServersUrl, path: str, query: str) -> ServersUrl:
    if path not in ("", "0") or query:
        raise ValueError("a cluster has no databases and no options: nothing may follow its servers")
    return found


def _sentinel(found: ServersUrl, path: str, query: str) -> ServersUrl:
    service, _, db = path.partition("/")
    if not service:
        raise ValueError("it names no master: redis+sentinel://host:port,host:port/mymaster")
    if db and not db.isdecimal():
        raise ValueError("behind the name of the master may only come the number of a database")
    options = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
    if options.keys() - {"sentinel_username", "sentinel_password"}:
        raise ValueError("its options are sentinel_username=NAME and sentinel_password=PASSWORD")
    return found._replace(
        service=unquote(service),
        db=int(db or 0),
        sentinel_username=options.get("sentinel_username"),
        sentinel_password=options.get("sentinel_password"),
    )
