"""Access tokens: JWTs that are signed with EdDSA and verified offline."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from social.contracts.codec import base64url, decode
from social.contracts.problems import NotAuthenticated, TokenExpired
from social.infra import clock
from social.infra.observe import logs
from social.infra.security.token_problems import find_problem, refusal
from social.infra.security.watched_file import WatchedFile

log = logs.get("tokens")

ACCESS_LIVES = timedelta(minutes=10)
LEEWAY = timedelta(seconds=30)
ISSUER = "plaza"
AUDIENCE = "plaza"
ALGORITHM = "EdDSA"
REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Access:
    """The user and session that an access token speaks for, and when it expires."""

    user_id: str
    session_id: str
    expires_at: float
    generation: int = 0  # how often all sessions of the account had been ended when this session was opened


def new_private_key() -> bytes:
    """Return a new Ed25519 key in PEM form."""
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class Signer:
    """Signs access tokens with a private key, which may be replaced in its file."""

    def __init__(self, pem: bytes) -> None:
        self._use(pem)
        self._file: WatchedFile | None = None
        self._unpublished: bytes | None = None
        self._published: Callable[[str], bool] = lambda _kid: False

    @classmethod
    def of_file(cls, path: Path) -> "Signer":
        """Return a signer with the key in a file; raises OSError or ValueError."""
        file = WatchedFile(path)
        signer = cls(path.read_bytes())
        signer._file = file
        return signer

    def follow(self, published: Callable[[str], bool]) -> None:
        """Sign with each key that replaces this one in its file as soon as it is published, so that it is accepted."""
        self._published = published

    def _use(self, pem: bytes) -> None:
        self._key, self.jwk = _private(pem)
        self.kid = self.jwk["kid"]

    def _look(self) -> None:
        pem = (self._file.changed() if self._file else None) or self._unpublished
        if pem is None:
            return
        try:
            kid = _private(pem)[1]["kid"]
        except ValueError as error:
            log.error("the new JWT key cannot be used; the old one stays", error=str(error))
            return
        self._unpublished = None if self._published(kid) else pem
        if self._unpublished is None:
            self._use(pem)
            log.info("signing with another key from here on", kid=kid)

    @property
    def jwks(self) -> dict[str, Any]:
        """Return the public half of this key as a JWKS document."""
        return {"keys": [self.jwk]}

    def sign(self, user_id: str, session_id: str, now: datetime | None = None, *, generation: int = 0) -> str:
        """Return an access token for a session; `generation` as in `Access`."""
        self._look()
        issued = now or clock.now()
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user_id,
            "sid": session_id,
            "gen": generation,
            "jti": clock.new_id(),
            "iat": int(issued.timestamp()),
            "exp": int((issued + ACCESS_LIVES).timestamp()),
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"kid": self.kid, "typ": "at+jwt"})


def _private(pem: bytes) -> tuple[Ed25519PrivateKey, dict[str, str]]:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (TypeError, UnsupportedAlgorithm) as error:  # a password, or an unknown kind of key
        raise ValueError(str(error)) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("the JWT key must be an Ed25519 private key in PEM form")
    public = base64url(key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw))
    thumbprint = f'{{"crv":"Ed25519","kty":"OKP","x":"{public}"}}'  # RFC 7638
    kid = base64url(hashlib.sha256(thumbprint.encode()).digest())
    return key, {"kty": "OKP", "crv": "Ed25519", "x": public, "kid": kid, "use": "sig", "alg": ALGORITHM}


class Verifier:
    """Verifies access tokens offline, by public keys alone; caches the tokens it has verified.

    A key that no longer signs says until when its tokens live (`exp`); after that it is ignored.
    """

    def __init__(self, jwks: dict[str, Any], file: WatchedFile | None = None) -> None:
        self._file = file
        self._seen: dict[str, Access] = {}
        self._use(jwks)

    @classmethod
    def of_file(cls, path: Path) -> "Verifier":
        """Return a verifier of a JWKS file and of each that replaces it; raises OSError or ValueError."""
        file = WatchedFile(path)
        return cls(_document(path.read_bytes()), file)

    @classmethod
    def of_text(cls, text: str) -> "Verifier":
        """Return a verifier of a JWKS document, which stays; raises ValueError."""
        return cls(_document(text))

    @property
    def jwks(self) -> dict[str, Any]:
        """Return the keys whose tokens are accepted now, as a JWKS document."""
        self._look()
        now = clock.now().timestamp()
        return {"keys": [jwk for jwk in self._jwks if jwk.get("exp", now + 1) > now]}

    def accepts(self, kid: str) -> bool:
        """Return whether tokens of this key are accepted now."""
        try:
            return self._key(kid) is not None
        except KeyError:
            return False

    def verify(self, token: str) -> Access:
        """Return whom the token speaks for; raises TokenExpired or NotAuthenticated."""
        self._look()
        access = self._seen.get(token) or self._verify(token)
        if access.expires_at + LEEWAY.total_seconds() <= clock.now().timestamp():
            self._seen.pop(token, None)
            raise TokenExpired
        return access

    def _use(self, jwks: dict[str, Any]) -> None:
        try:
            signing = [key for key in jwks["keys"] if key.get("alg") == ALGORITHM]
            keys = {key["kid"]: (jwt.PyJWK(key).key, float(key.get("exp", "inf"))) for key in signing}
        except (jwt.PyJWTError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"a key of the JWKS cannot be used: {error!r}") from None
        if not keys:
            raise ValueError("no EdDSA key in the JWKS")
        self._jwks, self._keys = signing, keys
        self._seen.clear()

    def _look(self, *, now: bool = False) -> None:
        if self._file is not None and (content := self._file.changed(now=now)) is not None:
            try:
                self._use(_document(content))
            except ValueError as error:
                log.error("the new JWKS cannot be used; the old keys stay", error=str(error))

    def _key(self, kid: str) -> Any:
        """Return a published key; raises KeyError for an unknown or an expired one."""
        if kid not in self._keys:
            self._look(now=True)  # a new key is published before it signs; this process may not have read it yet
        key, until = self._keys[kid]
        if until <= clock.now().timestamp():
            raise KeyError(kid)
        return key

    def _verify(self, token: str) -> Access:
        if (wrong := find_problem(token)) is not None:
            raise refusal(wrong)
        try:
            header = jwt.get_unverified_header(token)
            if header.get("typ") != "at+jwt" or not _is_unambiguous(token):
                raise NotAuthenticated
            claims = jwt.decode(
                token,
                self._key(header.get("kid", "")),
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=LEEWAY,
                options={"require": ["exp", "iat", "sub", "sid", "jti", "iss", "aud"]},
            )
            access = Access(str(claims["sub"]), str(claims["sid"]), float(claims["exp"]), _generation(claims))
        except jwt.ExpiredSignatureError:
            raise TokenExpired from None
        except Exception:  # RecursionError, OverflowError and whatever else a payload can cause
            raise NotAuthenticated from None
        if len(self._seen) >= REMEMBERED:
            del self._seen[next(iter(self._seen))]
        self._seen[token] = access
        return access


def _generation(claims: dict[str, Any]) -> int:
    generation = claims.get("gen", 0)
    if type(generation) is not int:
        raise NotAuthenticated
    return generation


def _document(text: str | bytes) -> dict[str, Any]:
    document = decode(text)
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("not a JWKS document")
    return document


def _is_unambiguous(token: str) -> bool:
    """Return whether each name occurs once in header and claims: readers differ in which duplicate they take."""
    for part in token.split(".")[:2]:
        said: list[str] = []
        json.loads(
            base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)),
            object_pairs_hook=lambda pairs, said=said: said.extend(name for name, _ in pairs),  # type: ignore[misc]
        )
        if len(said) != len(set(said)):
            return False
    return True
