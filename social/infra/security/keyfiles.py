"""The secrets of an installation as files, each written whole or not at all, and the rotation of the signing key."""

import base64
import os
import secrets
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from social.contracts.codec import encode
from social.infra import clock
from social.infra.security.refresh_tokens import BASE64
from social.infra.security.tokens import ACCESS_LIVES, LEEWAY, Signer, Verifier, new_private_key

JWT_PRIVATE_KEY = "jwt.pem"  # JWT_PRIVATE_KEY_FILE of the API
NEXT_PRIVATE_KEY = "jwt.next.pem"  # published and not yet signing
JWKS = "jwks.json"  # JWT_JWKS of the gateways and the API; public
REFRESH_KEY = "refresh.key"  # REFRESH_KEY_FILE of the API
PID_KEY = "pid.key"  # PID_KEY_FILE of the gateways

SEEN_WITHIN = timedelta(minutes=5)  # until a copied key has reached all processes: the old key signs a while longer
RETIRE = ACCESS_LIVES + LEEWAY * 2 + SEEN_WITHIN


def make_keys(folder: Path) -> list[Path]:
    """Make the missing key files; return the paths of all. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _make_missing(folder / JWT_PRIVATE_KEY, new_private_key),
        _make_missing(folder / JWKS, lambda: encode(Signer.of_file(folder / JWT_PRIVATE_KEY).jwks)),
        _make_missing(folder / REFRESH_KEY, lambda: os.urandom(32)),
        _make_missing(folder / PID_KEY, lambda: secrets.token_urlsafe(32).encode()),
    ]


def publish(folder: Path) -> str:
    """Make the next signing key and add its public half to the JWKS: step 1 of 2. Raises OSError, ValueError.

    Verifying processes must have the JWKS before the key signs; where they read the folder itself they notice it.
    """
    new = Signer.of_file(_make_missing(folder / NEXT_PRIVATE_KEY, new_private_key))
    _write_jwks(folder, [each for each in _published(folder) if each["kid"] != new.kid] + [new.jwk])
    return new.kid


def sign(folder: Path) -> str:
    """Sign with the published key from here on and return its id: step 2 of 2. Raises OSError, ValueError.

    The public halves of other keys stay for as long as their tokens live.
    """
    new, current = folder / NEXT_PRIVATE_KEY, folder / JWT_PRIVATE_KEY
    published = {each["kid"] for each in _published(folder)}
    if new.exists():
        if Signer.of_file(new).kid not in published:
            raise ValueError("the next key is not published yet")
        new.rename(current)
    kid = Signer.of_file(current).kid
    until = int((clock.now() + RETIRE).timestamp())  # after the rename: a key that signs must never expire
    keys = [each if each["kid"] == kid else {"exp": until, **each} for each in _published(folder)]
    _write_jwks(folder, keys)
    return kid


def copy_verifying_keys(folder: Path, to: Path) -> list[Path]:
    """Copy the keys of gateways and services without logins to a folder, without secrets that sign tokens.

    Raises OSError.
    """
    to.mkdir(parents=True, exist_ok=True)
    for name in (JWKS, PID_KEY):
        _replace(to / name, (folder / name).read_bytes())
    return [to / JWKS, to / PID_KEY]


def values(folder: Path) -> list[str]:
    """Return the keys of a folder as settings, a line each, for who cannot have files. Raises OSError, ValueError."""
    Signer.of_file(folder / JWT_PRIVATE_KEY)
    pem = (folder / JWT_PRIVATE_KEY).read_text().strip().replace("\n", "\\n")
    return [
        f"JWT_PRIVATE_KEY={pem}",
        f"JWKS={encode({'keys': _published(folder)}).decode()}",
        f"REFRESH_KEY={BASE64}{base64.b64encode((folder / REFRESH_KEY).read_bytes()).decode()}",
        f"PID_KEY={(folder / PID_KEY).read_text().strip()}",
    ]


def _published(folder: Path) -> list[dict[str, Any]]:
    """Return the keys of the JWKS that have not expired."""
    return list(Verifier.of_file(folder / JWKS).jwks["keys"])


def _write_jwks(folder: Path, keys: list[dict[str, Any]]) -> None:
    _replace(folder / JWKS, encode({"keys": keys}))


def _make_missing(path: Path, make: Callable[[], bytes]) -> Path:
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
