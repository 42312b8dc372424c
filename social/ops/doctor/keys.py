"""The files of keys: usable, the public half published, and nobody else's to read."""

import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

from pydantic import SecretStr

from social.infra.security import given_keys
from social.infra.security.keyfiles import JWKS, NEXT_PRIVATE_KEY
from social.infra.security.refresh_tokens import RefreshTokens
from social.infra.security.tokens import Signer, Verifier
from social.infra.settings import StartError
from social.infra.spellings import shown
from social.ops.doctor.findings import Finding, ok, problem, warning
from social.ops.doctor.settings import Examined

T = TypeVar("T")
V = TypeVar("V")

SECRET = stat.S_IWGRP | stat.S_IRWXO  # what the mode of a secret must not allow; a group may read what is mounted so
PUBLIC = stat.S_IWGRP | stat.S_IWOTH
VALUES = ("jwt_private_key", "jwks", "refresh_key", "pid_key")


async def examine(settings: Examined) -> AsyncIterator[Finding]:
    """Check the keys that the settings give, as values or as files."""
    private, jwks = settings.jwt_private_key_file, settings.jwt_jwks
    if jwks is None and settings.jwks is None and private is not None and private.with_name(JWKS).exists():
        jwks = private.with_name(JWKS)
    findings: list[Finding] = []
    signer = _used("JWT_PRIVATE_KEY_FILE", private, Signer.of_file, SECRET, findings)
    verifier = _used("JWT_JWKS", jwks, Verifier.of_file, PUBLIC, findings)
    _used(
        "REFRESH_KEY_FILE", settings.refresh_key_file, lambda path: RefreshTokens(path.read_bytes()), SECRET, findings
    )
    _used("PID_KEY_FILE", settings.pid_key_file, _long_enough, SECRET, findings)
    signer = _value(settings.jwt_private_key, lambda key: given_keys.signer(key, None), findings) or signer
    verifier = _value(settings.jwks, lambda document: given_keys.verifier(document, None), findings) or verifier
    _value(settings.refresh_key, lambda key: given_keys.refresh_tokens(key, None), findings)
    _value(settings.pid_key, _strong_enough, findings)
    if signer and verifier and not verifier.accepts(signer.kid):
        says = f"{jwks or 'JWKS'} does not hold the public half of {private or 'JWT_PRIVATE_KEY'}"
        remedy = f"python -m social keys rotate {private.parent}" if private else "correct one of the two settings"
        findings.append(problem("keys", f"{says}: every token would be refused", remedy))
    if private and private.with_name(NEXT_PRIVATE_KEY).exists():
        says = f"{private.with_name(NEXT_PRIVATE_KEY)} is published and does not sign yet"
        findings.append(warning("keys", says, f"python -m social keys sign {private.parent}"))
    files = [each for each in (private, jwks, settings.refresh_key_file, settings.pid_key_file) if each]
    if files and not findings:
        findings.append(ok("keys", f"{', '.join(each.name for each in files)} can be used, and by nobody else"))
    elif not findings and (values := [name.upper() for name in VALUES if getattr(settings, name)]):
        findings.append(ok("keys", f"{', '.join(values)} can be used"))
    for finding in findings:
        yield finding


def _used(name: str, path: Path | None, use: Callable[[Path], T], forbidden: int, findings: list[Finding]) -> T | None:
    if path is None:
        return None
    try:
        made = use(path)
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        findings.append(
            problem("keys", f"{name}: cannot use {shown(path)}: {why}", "python -m social keys FOLDER makes it")
        )
        return None
    if mode & forbidden:
        right = "600" if forbidden == SECRET else "644"
        says = f"{name}: {path} has mode {stat.S_IMODE(mode):o}: others on this machine may use it"
        findings.append(problem("keys", says, f"chmod {right} {path}"))
    return made


def _value(value: V | None, use: Callable[[V], T], findings: list[Finding]) -> T | None:
    """Return what is made of a key that is a setting's value; such a key changes with a restart alone."""
    if value is None:
        return None
    try:
        return use(value)
    except StartError as error:
        findings.append(problem("keys", str(error), "python -m social keys FOLDER makes one"))
        return None


def _strong_enough(key: SecretStr) -> bool:
    if len(key.get_secret_value()) < 32:
        raise StartError("PID_KEY: it needs at least 32 characters")
    return True


def _long_enough(path: Path) -> bool:
    if len(path.read_text().strip()) < 32:
        raise ValueError("it needs at least 32 characters")
    return True
