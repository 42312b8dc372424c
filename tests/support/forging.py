"""Access tokens as attackers make them, from a good one and, for some, from the true signing key."""

import base64
import hashlib
import hmac
from datetime import timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from social.contracts.codec import encode
from social.infra import clock
from social.infra.security.tokens import Signer, new_private_key


def b64(data: bytes) -> str:
    """Encode as in a token."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forgeries(pem: bytes, good: str) -> dict[str, str]:
    """Return forged tokens by what is wrong with each; `good` is signed with the key in `pem`."""
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, Ed25519PrivateKey)
    header, claims = jwt.get_unverified_header(good), jwt.decode(good, options={"verify_signature": False})
    head, body, signature = good.split(".")
    public = key.public_key()
    public_pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    public_raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)

    def raw(header_bytes: bytes, claim_bytes: bytes) -> str:
        signed = f"{b64(header_bytes)}.{b64(claim_bytes)}"
        return f"{signed}.{b64(key.sign(signed.encode()))}"

    def signed(header_change: dict[str, Any] | None = None, **change: Any) -> str:
        both = ({**header, **(header_change or {})}, {**claims, **change})
        return raw(*(encode({name: value for name, value in each.items() if value is not None}) for each in both))

    def shared_secret(secret: bytes) -> str:
        words = f"{b64(encode({**header, 'alg': 'HS256'}))}.{body}"
        return f"{words}.{b64(hmac.new(secret, words.encode(), hashlib.sha256).digest())}"

    later = int((clock.now() + timedelta(minutes=5)).timestamp())
    twice = encode(claims)[:-1] + b',"sub":"' + b"0" * 24 + b'"}'
    return {
        "no algorithm": f"{b64(encode({**header, 'alg': 'none'}))}.{body}.",
        "no algorithm, with a signature": f"{b64(encode({**header, 'alg': 'none'}))}.{body}.{signature}",
        "HS256 with the public key, PEM": shared_secret(public_pem),
        "HS256 with the public key, raw": shared_secret(public_raw),
        "HS256 with the public key, as published": shared_secret(b64(public_raw).encode()),
        "an unknown key under a known kid": jwt.encode(
            claims,
            serialization.load_pem_private_key(new_private_key(), None),  # type: ignore[arg-type]
            algorithm="EdDSA",
            headers={"kid": header["kid"], "typ": header["typ"]},
        ),
        "an unknown key under its own kid": Signer(new_private_key()).sign(claims["sub"], claims["sid"]),
        "a key that comes along": signed(
            {"kid": "mine", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": b64(public_raw)}}
        ),
        "another audience": signed(aud="another"),
        "no audience": signed(aud=None),
        "another issuer": signed(iss="another"),
        "another type": signed({"typ": "JWT"}),
        "no type": signed({"typ": None}),
        "another key": signed({"kid": "another"}),
        "no key": signed({"kid": None}),
        "a key that is a list": signed({"kid": [header["kid"]]}),
        "not yet valid": signed(nbf=later),
        "issued in the future": signed(iat=later),
        "never over": signed(exp=None),
        "a claim twice": raw(encode(header), twice),
        "a header twice": raw(encode(header)[:-1] + b',"typ":"at+jwt"}', encode(claims)),
        "claims that are a list": raw(encode(header), b"[1]"),
        "an extension it must know": signed({"crit": ["exp"]}),
        "another's signature": f"{head}.{b64(encode({**claims, 'sub': 'f' * 24}))}.{signature}",
        "no signature": f"{head}.{body}.",
        "a part more": f"{good}.{signature}",
        "claims nested too deep": raw(encode(header), b"[" * 1_400 + b"]" * 1_400),
        "a claim nested too deep": raw(
            encode(header), encode(claims)[:-1] + b',"x":' + b'{"x":' * 400 + b"1" + b"}" * 401
        ),
        "a header nested too deep": raw(b"[" * 1_400 + b"]" * 1_400, encode(claims)),
        "over at no time": raw(encode(header), encode(claims)[:-1].replace(b'"exp":', b'"exp":1e999,"was":') + b"}"),
        "5 KB": signed(more="x" * 5_000),
    }


KINDS = tuple(forgeries(_pem := new_private_key(), Signer(_pem).sign("0" * 24, "1" * 24)))
