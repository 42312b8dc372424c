"""Refresh tokens: opaque, and good for a single use each."""

import base64
import hashlib
import hmac
import secrets

from social.contracts.codec import base64url

BASE64 = "base64:"


class RefreshTokens:
    """Refresh tokens `<session>.<secret>.<mac>`: only hashes are stored, and a successor can be made again.

    The mac proves that this system made the token, so a client that knows a session's id cannot end the session by
    pretending to use its tokens twice.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < 32:
            raise ValueError("the refresh key needs at least 32 bytes")
        self._key = key

    @classmethod
    def of_text(cls, text: str) -> "RefreshTokens":
        """Return the refresh tokens of a key as text, or as base64 after `base64:`; raises ValueError."""
        if not text.startswith(BASE64):
            return cls(text.encode())
        try:
            key = base64.b64decode(text.removeprefix(BASE64), validate=True)
        except ValueError:
            raise ValueError(f"what follows {BASE64} is not base64") from None
        return cls(key)

    def first(self, session_id: str) -> str:
        """Return the first token of a session: 256 random bits."""
        return self._token(session_id, base64url(secrets.token_bytes(32)))

    def successor(self, token: str) -> str:
        """Return the token after this one, always equal, so that a client that lost the answer can ask again."""
        session_id, _, _ = token.split(".")
        return self._token(session_id, base64url(self._mac(b"next", token)))

    def session(self, token: str) -> str | None:
        """Return the session that an authentic token belongs to, or None."""
        parts = token.split(".")
        if len(parts) != 3 or not token.isascii():  # compare_digest accepts only ASCII
            return None
        return parts[0] if hmac.compare_digest(token, self._token(parts[0], parts[1])) else None

    @staticmethod
    def digest(token: str) -> str:
        """Return the hash of a token, which is stored instead of it."""
        return hashlib.sha256(token.encode()).hexdigest()

    def _token(self, session_id: str, secret: str) -> str:
        return f"{session_id}.{secret}.{base64url(self._mac(b'made', f'{session_id}.{secret}')[:16])}"

    def _mac(self, purpose: bytes, text: str) -> bytes:
        return hmac.digest(self._key, purpose + b"\0" + text.encode("utf-8", "surrogatepass"), "sha256")
