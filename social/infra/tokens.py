"""Access tokens (JWT, EdDSA) and refresh tokens (opaque, one use each)."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from social.contracts.codec import decode
from social.contracts.problems import NotAuthenticated, TokenExpired
from social.infra import clock

ACCESS_LIVES = timedelta(minutes=10)
LEEWAY = timedelta(seconds=30)
ISSUER = "plaza"
AUDIENCE = "plaza"
ALGORITHM = "EdDSA"
LONGEST_TOKEN = 4_096
REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Access:
    """Who an access token speaks for, and until when."""

    user_id: str
    session_id: str
    expires_at: float


def new_private_key() -> bytes:
    """A fresh Ed25519 key, PEM."""
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Signer:
    """Signs access tokens with one private key and publishes its public half as JWKS."""

    def __init__(self, pem: bytes) -> None:
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (TypeError, UnsupportedAlgorithm) as error:  # it has a password; it is of a kind nobody knows
            raise ValueError(str(error)) from None
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("the JWT key must be an Ed25519 private key in PEM form")
        self._key = key
        public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        thumbprint = f'{{"crv":"Ed25519","kty":"OKP","x":"{_b64(public)}"}}'  # RFC 7638
        self._kid = _b64(hashlib.sha256(thumbprint.encode()).digest())
        self.jwks: dict[str, Any] = {
            "keys": [
                {"kty": "OKP", "crv": "Ed25519", "x": _b64(public), "kid": self._kid, "use": "sig", "alg": ALGORITHM}
            ]
        }

    @classmethod
    def of_file(cls, path: Path) -> "Signer":
        """The key in a file; raises OSError or ValueError."""
        return cls(path.read_bytes())

    def sign(self, user_id: str, session_id: str, now: datetime | None = None) -> str:
        """An access token for one person's session."""
        issued = now or clock.now()
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user_id,
            "sid": session_id,
            "jti": clock.new_id(),
            "iat": int(issued.timestamp()),
            "exp": int((issued + ACCESS_LIVES).timestamp()),
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"kid": self._kid, "typ": "at+jwt"})


class Verifier:
    """Verifies access tokens offline, by the public keys alone; remembers the ones it has seen."""

    def __init__(self, jwks: dict[str, Any]) -> None:
        self._keys = {key["kid"]: jwt.PyJWK(key).key for key in jwks["keys"] if key.get("alg") == ALGORITHM}
        if not self._keys:
            raise ValueError("no EdDSA key in the JWKS")
        self._seen: dict[str, Access] = {}

    @classmethod
    def of_json(cls, text: str | bytes) -> "Verifier":
        """From a JWKS document; raises ValueError, whatever is wrong with it."""
        document = decode(text)
        if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
            raise ValueError("not a JWKS document")
        try:
            return cls(document)
        except (jwt.PyJWTError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"a key of the JWKS cannot be used: {error!r}") from None

    def verify(self, token: str) -> Access:
        """Who it speaks for; raises TokenExpired or NotAuthenticated."""
        access = self._seen.get(token) or self._verify(token)
        if access.expires_at + LEEWAY.total_seconds() <= clock.now().timestamp():
            self._seen.pop(token, None)
            raise TokenExpired
        return access

    def _verify(self, token: str) -> Access:
        if len(token) > LONGEST_TOKEN:
            raise NotAuthenticated
        try:
            header = jwt.get_unverified_header(token)
            if header.get("typ") != "at+jwt":
                raise NotAuthenticated
            claims = jwt.decode(
                token,
                self._keys[header.get("kid", "")],
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=LEEWAY,
                options={"require": ["exp", "iat", "sub", "sid", "jti", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError:
            raise TokenExpired from None
        except (jwt.InvalidTokenError, KeyError, ValueError, TypeError):
            raise NotAuthenticated from None
        access = Access(str(claims["sub"]), str(claims["sid"]), float(claims["exp"]))
        if len(self._seen) >= REMEMBERED:
            del self._seen[next(iter(self._seen))]
        self._seen[token] = access
        return access


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
