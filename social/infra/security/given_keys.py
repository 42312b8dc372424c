"""The keys that settings give, as values or as files; what cannot be used is a StartError that names its setting."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pydantic import SecretStr

from social.infra.security.keyfiles import JWKS
from social.infra.security.refresh_tokens import RefreshTokens
from social.infra.security.tokens import Signer, Verifier
from social.infra.settings import StartError
from social.infra.spellings import shown

T = TypeVar("T")


def signer(value: SecretStr | None, file: Path | None) -> Signer:
    """Return the signer of access tokens, which follows the file where one is given; raises StartError."""
    if value is not None:
        return _usable("JWT_PRIVATE_KEY", lambda: Signer(value.get_secret_value().replace("\\n", "\n").encode()))
    assert file is not None
    return _usable("JWT_PRIVATE_KEY_FILE", lambda: Signer.of_file(file), file)


def refresh_tokens(value: SecretStr | None, file: Path | None) -> RefreshTokens:
    """Return the maker of refresh tokens; raises StartError."""
    if value is not None:
        return _usable("REFRESH_KEY", lambda: RefreshTokens.of_text(value.get_secret_value()))
    assert file is not None
    return _usable("REFRESH_KEY_FILE", lambda: RefreshTokens(file.read_bytes()), file)


def verifier(document: str | None, file: Path | None) -> Verifier:
    """Return the verifier of access tokens, which follows the file where one is given; raises StartError."""
    if document is not None:
        return _usable("JWKS", lambda: Verifier.of_text(document))
    assert file is not None
    return _usable("JWT_JWKS", lambda: Verifier.of_file(file), file)


def verifier_beside(own: Signer, key_file: Path | None, *, jwks: str | None, jwks_file: Path | None) -> Verifier:
    """Return the verifier of a process that signs: by the JWKS given or beside the key file, or by the key.

    Raises StartError, also where the JWKS does not hold the public half of the key.
    """
    given = "JWKS" if jwks else f"JWT_JWKS: {jwks_file}"
    if jwks is None and jwks_file is None:
        beside = key_file.with_name(JWKS) if key_file else None
        if beside is None or not beside.exists():
            return Verifier(own.jwks)
        jwks_file, given = beside, f"JWT_JWKS: {beside}"
    found = verifier(jwks, jwks_file)
    if not found.accepts(own.kid):
        raise StartError(f"{given} does not hold the public half of {key_file or 'JWT_PRIVATE_KEY'}")
    return found


def _usable(name: str, make: Callable[[], T], file: Path | None = None) -> T:
    where = f"{name}: cannot use {shown(file)}" if file else name
    try:
        return make()
    except OSError as error:
        raise StartError(f"{where}: {error.strerror}") from None
    except ValueError as error:
        raise StartError(f"{where}: {error}") from None
