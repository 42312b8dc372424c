"""The files of keys: usable, the public half published, and nobody else's to read."""

import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

from social.infra.security.keyfiles import JWKS, NEXT_PRIVATE_KEY
from social.infra.security.refresh_tokens import RefreshTokens
from social.infra.security.tokens import Signer, Verifier
from social.ops.doctor.findings import Finding, ok, problem, warning
from social.ops.doctor.settings import Examined

T = TypeVar("T")

SECRET = stat.S_IWGRP | stat.S_IRWXO  # what the mode of a secret must not allow; a group may read what is mounted so
PUBLIC = stat.S_IWGRP | stat.S_IWOTH


async def examine(settings: Examined) -> AsyncIterator[Finding]:
    """Check the key files that the settings name."""
    private, jwks = settings.jwt_private_key_file, settings.jwt_jwks
    if jwks is None and private is not None and private.with_name(JWKS).exists():
        jwks = private.with_name(JWKS)
    findings: list[Finding] = []
    signer = _used("JWT_PRIVATE_KEY_FILE", private, Signer.of_file, SECRET, findings)
    verifier = _used("JWT_JWKS", jwks, Verifier.of_file, PUBLIC, findings)
    _used(
        "REFRESH_KEY_FILE", settings.refresh_key_file, lambda path: RefreshTokens(path.read_bytes()), SECRET, findings
    )
    _used("PID_KEY_FILE", settings.pid_key_file, _long_enough, SECRET, findings)
    if signer and verifier and not verifier.accepts(signer.kid):
        says = f"{jwks} does not hold the public half of {private}: every token would be refused"
        findings.append(problem("keys", says, f"python -m social keys rotate {private.parent if private else ''}"))
    if private and private.with_name(NEXT_PRIVATE_KEY).exists():
        says = f"{private.with_name(NEXT_PRIVATE_KEY)} is published and does not sign yet"
        findings.append(warning("keys", says, f"python -m social keys sign {private.parent}"))
    given = [each for each in (private, jwks, settings.refresh_key_file, settings.pid_key_file) if each]
    if given and not findings:
        findings.append(ok("keys", f"{', '.join(each.name for each in given)} can be used, and by nobody else"))
    for finding in findings:
        yield finding


def _used(name: str, path: Path | None, use: Callable[[Path], T], forbidden: int, findings: list[Finding]) -> T | None:
    if path is None:
        return None
    try:
        made = use(path)
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        says = error.strerror if isinstance(error, OSError) else error
        findings.append(problem("keys", f"{name}: cannot use {path}: {says}", "python -m social keys FOLDER makes it"))
        return None
    if mode & forbidden:
        right = "600" if forbidden == SECRET else "644"
        says = f"{name}: {path} has mode {stat.S_IMODE(mode):o}: others on this machine may use it"
        findings.append(problem("keys", says, f"chmod {right} {path}"))
    return made


def _long_enough(path: Path) -> bool:
    if len(path.read_text().strip()) < 32:
        raise ValueError("it needs at least 32 characters")
    return True
