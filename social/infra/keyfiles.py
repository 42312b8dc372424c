"""The secrets of an installation as files: made once, whole or not at all, never written over."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from social.contracts.codec import encode
from social.infra.tokens import Signer, new_private_key

JWT_PRIVATE_KEY = "jwt.pem"  # JWT_PRIVATE_KEY_FILE of the API
JWKS = "jwks.json"  # JWT_JWKS of the gateways; public
REFRESH_KEY = "refresh.key"  # REFRESH_KEY_FILE of the API
PID_KEY = "pid.key"  # PID_KEY of the gateways


def make_keys(folder: Path) -> list[Path]:
    """Make those that are missing; the paths of all. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _once(folder / JWT_PRIVATE_KEY, new_private_key),
        _once(folder / JWKS, lambda: encode(Signer.of_file(folder / JWT_PRIVATE_KEY).jwks)),
        _once(folder / REFRESH_KEY, lambda: os.urandom(32)),
        _once(folder / PID_KEY, lambda: secrets.token_urlsafe(32).encode()),
    ]


def _once(path: Path, make: Callable[[], bytes]) -> Path:
    if not path.exists():
        new = path.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(descriptor)
        new.rename(path)
    return path
