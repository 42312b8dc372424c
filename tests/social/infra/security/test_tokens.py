"""Keys from files that other programs wrote: used, or refused by one kind of error that the start can name."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from social.infra.security.tokens import Signer, Verifier


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [1]}',
        b'{"keys": [{"alg": "EdDSA"}]}',
        b'{"keys": [{"alg": "EdDSA", "kid": "x", "kty": "OKP"}]}',
        b'{"keys": [{"alg": "EdDSA", "kid": [], "kty": "OKP", "crv": "Ed25519", "x": "AA"}]}',
    ],
)
def test_a_key_set_that_cannot_be_used_is_refused(document: bytes, tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_bytes(document)
    with pytest.raises(ValueError, match=r"."):
        Verifier.of_file(tmp_path / "jwks.json")


def test_a_private_key_with_a_password_is_refused() -> None:
    locked = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    with pytest.raises(ValueError, match="ncrypted"):
        Signer(locked)
