"""Access tokens (JWT, EdDSA) and refresh tokens (opaque, one use each)."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from social.contracts.codec import decode
from social.contracts.problems import FieldProblem, NotAuthenticated, TokenExpired
from social.infra import clock
from social.infra.observe import logs

log = logs.get("tokens")

ACCESS_LIVES = timedelta(minutes=10)
LEEWAY = timedelta(seconds=30)
ISSUER = "plaza"
AUDIENCE = "plaza"
ALGORITHM = "EdDSA"
LONGEST_TOKEN = 4_096
REMEMBERED = 10_000
LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Access:
    """Who an access token speaks for, and until when."""

    user_id: str
    session_id: str
    expires_at: float
    generation: int = 0  # how often all sessions of the account had been ended when this one was opened


def new_private_key() -> bytes:
    """A fresh Ed25519 key, PEM."""
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Mistake(NamedTuple):
    """What a developer got wrong about a token, before anybody looks at what is signed in it."""

    code: str
    detail: str


def mistake(token: object) -> Mistake | None:
    """Why this cannot be an access token; None for one that is worth a look."""
    if token is None or token == "":
        return Mistake("missing", "No access token was sent")
    if not isinstance(token, str):
        return Mistake("string_type", "An access token is a string")
    if token[:7].lower() == "bearer ":
        return Mistake("bearer_prefix", "`Bearer ` is no part of an access token: send what stands behind it")
    if len(token) > LONGEST_TOKEN:
        return Mistake("string_too_long", f"An access token has at most {LONGEST_TOKEN} characters")
    return None


def refusal(wrong: Mistake) -> NotAuthenticated:
    """The refusal of a message whose `token` is no access token."""
    return NotAuthenticated(wrong.detail, errors=[FieldProblem(pointer="/token", code=wrong.code, detail=wrong.detail)])


class Watched:
    """A file that is read again when it was replaced: looked at when asked for, at most each second unless told to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = _stamp(path)
        self._look_at = time.monotonic() + LOOK_EVERY_S

    def changed(self, *, now: bool = False) -> bytes | None:
        """Its new content, once; None while it is the same or cannot be read."""
        if not now and time.monotonic() < self._look_at:
            return None
        self._look_at = time.monotonic() + LOOK_EVERY_S
        try:
            stamp = _stamp(self._path)
            if stamp == self._seen:
                return None
            content = self._path.read_bytes()
        except OSError as error:
            log.error("a key file cannot be read; the keys stay as they were", path=str(self._path), error=str(error))
            return None
        self._seen = stamp
        return content


def _stamp(path: Path) -> tuple[int, int, int]:
    is_ = path.stat()
    return is_.st_mtime_ns, is_.st_size, is_.st_ino


class Signer:
    """Signs access tokens with one private key, which may be replaced in its file."""

    def __init__(self, pem: bytes) -> None:
        self._use(pem)
        self._file: Watched | None = None
        self._unpublished: bytes | None = None
        self._published: Callable[[str], bool] = lambda _kid: False

    @classmethod
    def of_file(cls, path: Path) -> "Signer":
        """The key in a file; raises OSError or ValueError."""
        file = Watched(path)
        signer = cls(path.read_bytes())
        signer._file = file
        return signer

    def follow(self, published: Callable[[str], bool]) -> None:
        """Sign with each key that replaces this one in its file, once it is published: else its tokens were refused."""
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
        """The public half of this key alone."""
        return {"keys": [self.jwk]}

    def sign(self, user_id: str, session_id: str, now: datetime | None = None, *, generation: int = 0) -> str:
        """An access token for one person's session; `generation` as `Access` has it."""
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
    except (TypeError, UnsupportedAlgorithm) as error:  # it has a password; it is of a kind nobody knows
        raise ValueError(str(error)) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("the JWT key must be an Ed25519 private key in PEM form")
    public = _b64(key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw))
    thumbprint = f'{{"crv":"Ed25519","kty":"OKP","x":"{public}"}}'  # RFC 7638
    kid = _b64(hashlib.sha256(thumbprint.encode()).digest())
    return key, {"kty": "OKP", "crv": "Ed25519", "x": public, "kid": kid, "use": "sig", "alg": ALGORITHM}


class Verifier:
    """Verifies access tokens offline, by the public keys alone; remembers the ones it has seen.

    A key that nobody signs with any more says until when its tokens live (`exp`); after that it is as good as gone.
    """

    def __init__(self, jwks: dict[str, Any], file: Watched | None = None) -> None:
        self._file = file
        self._seen: dict[str, Access] = {}
        self._use(jwks)

    @classmethod
    def of_file(cls, path: Path) -> "Verifier":
        """From a JWKS file, and each that replaces it; raises OSError or ValueError."""
        file = Watched(path)
        return cls(_document(path.read_bytes()), file)

    @property
    def jwks(self) -> dict[str, Any]:
        """The keys whose tokens are accepted now, as a JWKS document."""
        self._look()
        now = clock.now().timestamp()
        return {"keys": [jwk for jwk in self._jwks if jwk.get("exp", now + 1) > now]}

    def accepts(self, kid: str) -> bool:
        """Whether tokens of this key are accepted now."""
        try:
            return self._key(kid) is not None
        except KeyError:
            return False

    def verify(self, token: str) -> Access:
        """Who it speaks for; raises TokenExpired or NotAuthenticated."""
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
        """Raises KeyError for a key nobody published, or one that is over."""
        if kid not in self._keys:
            self._look(now=True)  # a new key is published before it signs: whoever is quick may be ahead of our look
        key, until = self._keys[kid]
        if until <= clock.now().timestamp():
            raise KeyError(kid)
        return key

    def _verify(self, token: str) -> Access:
        if (wrong := mistake(token)) is not None:
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
        except Exception:  # RecursionError, OverflowError and what else a payload may be made to raise
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
    """Whether each name is said once in header and claims: of two, readers take different ones."""
    for part in token.split(".")[:2]:
        said: list[str] = []
        json.loads(
            base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)),
            object_pairs_hook=lambda pairs, said=said: said.extend(name for name, _ in pairs),  # type: ignore[misc]
        )
        if len(said) != len(set(said)):
            return False
    return True


class RefreshTokens:
    """Refresh tokens `<session>.<secret>.<mac>`: only hashes are stored, and a successor can be made again.

    The mac proves that we made a token, so a stranger who knows a session id cannot end that session by
    pretending to reuse its tokens.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < 32:
            raise ValueError("the refresh key needs at least 32 bytes")
        self._key = key

    def first(self, session_id: str) -> str:
        """The first token of a session: 256 random bits."""
        return self._token(session_id, _b64(secrets.token_bytes(32)))

    def successor(self, token: str) -> str:
        """The token after this one: always the same, so a client that lost the answer can ask again."""
        session_id, _, _ = token.split(".")
        return self._token(session_id, _b64(self._mac(b"next", token)))

    def session(self, token: str) -> str | None:
        """The session an authentic token belongs to, or None."""
        parts = token.split(".")
        if len(parts) != 3 or not token.isascii():  # compare_digest takes no other text
            return None
        return parts[0] if hmac.compare_digest(token, self._token(parts[0], parts[1])) else None

    @staticmethod
    def digest(token: str) -> str:
        """What is stored of a token."""
        return hashlib.sha256(token.encode()).hexdigest()

    def _token(self, session_id: str, secret: str) -> str:
        return f"{session_id}.{secret}.{_b64(self._mac(b'made', f'{session_id}.{secret}')[:16])}"

    def _mac(self, purpose: bytes, text: str) -> bytes:
        return hmac.digest(self._key, purpose + b"\0" + text.encode("utf-8", "surrogatepass"), "sha256")
