"""The secrets of an installation as files, each written whole or not at all; the signing key can be changed."""

import os
import secrets
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from social.contracts.codec import encode
from social.infra import clock
from social.infra.security.tokens import ACCESS_LIVES, LEEWAY, Signer, Verifier, new_private_key

JWT_PRIVATE_KEY = "jwt.pem"  # JWT_PRIVATE_KEY_FILE of the API
NEXT_PRIVATE_KEY = "jwt.next.pem"  # published and not yet signing
JWKS = "jwks.json"  # JWT_JWKS of the gateways and the API; public
REFRESH_KEY = "refresh.key"  # REFRESH_KEY_FILE of the API
PID_KEY = "pid.key"  # PID_KEY_FILE of the gateways

SEEN_WITHIN = timedelta(minutes=5)  # where secrets are copied to their processes, the old key signs a while longer
RETIRE = ACCESS_LIVES + LEEWAY * 2 + SEEN_WITHIN


def make_keys(folder: Path) -> list[Path]:
    """Make those that are missing; the paths of all. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _once(folder / JWT_PRIVATE_KEY, new_private_key),
        _once(folder / JWKS, lambda: encode(Signer.of_file(folder / JWT_PRIVATE_KEY).jwks)),
        _once(folder / REFRESH_KEY, lambda: os.urandom(32)),
        _once(folder / PID_KEY, lambda: secrets.token_urlsafe(32).encode()),
    ]


def publish(folder: Path) -> str:
    """Make the next signing key and add its public half to the JWKS: step one of two. Raises OSError, ValueError.

    Whoever verifies must have the JWKS before anybody signs with the key; in one folder they find it by themselves.
    """
    new = Signer.of_file(_once(folder / NEXT_PRIVATE_KEY, new_private_key))
    _write_jwks(folder, [each for each in _published(folder) if each["kid"] != new.kid] + [new.jwk])
    return new.kid


def sign(folder: Path) -> str:
    """Sign with the published key from here on: step two; its id. Raises OSError, ValueError.

    The public half of any other stays for as long as its tokens live.
    """
    new, current = folder / NEXT_PRIVATE_KEY, folder / JWT_PRIVATE_KEY
    published = {each["kid"] for each in _published(folder)}
    if new.exists():
        if Signer.of_file(new).kid not in published:
            raise ValueError("the next key is not published yet")
        new.rename(current)
    kid = Signer.of_file(current).kid
    until = int((clock.now() + RETIRE).timestamp())  # written after the rename: a key that signs must never be over
    keys = [each if each["kid"] == kid else {"exp": until, **each} for each in _published(folder)]
    _write_jwks(folder, keys)
    return kid


def copy_checks(folder: Path, to: Path) -> list[Path]:
    """Keep what gateways and services without logins need in a folder of its own, and no secret that signs tokens.

    Raises OSError.
    """
    to.mkdir(parents=True, exist_ok=True)
    for name in (JWKS, PID_KEY):
        _replace(to / name, (folder / name).read_bytes())
    return [to / JWKS, to / PID_KEY]


def _published(folder: Path) -> list[dict[str, Any]]:
    """The keys of the JWKS, but those that are over."""
    return list(Verifier.of_file(folder / JWKS).jwks["keys"])


def _write_jwks(folder: Path, keys: list[dict[str, Any]]) -> None:
    _replace(folder / JWKS, encode({"keys": keys}))


def _once(path: Path, make: Callable[[], bytes]) -> Path:
    if not path.exists():
        _replace(path, make())
    return path


def _replace(path: Path, content: bytes) -> None:
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    new.rename(path)
