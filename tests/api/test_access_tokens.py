"""Access tokens: only tokens that this Plaza signed, for this Plaza, and that have not expired are accepted."""

import hashlib
import hmac
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.forging import KINDS, b64, forgeries
from support.one_site import new_person, one_door, one_loop, one_site
from support.people import Answer, Door, Person
from support.site import Site, secrets, serving

from social.contracts.codec import encode
from social.infra import clock
from social.infra.security.tokens import Signer, new_private_key

pytestmark = one_loop
site, door = one_site(), one_door()
ada, bob = new_person("ada"), new_person("bob")

HOUR = timedelta(hours=1)


class Forger:
    """A signer of any claims, with the true key or another."""

    def __init__(self, ada: Person, pem: bytes | None = None) -> None:
        self._key = serialization.load_pem_private_key(pem or secrets()[0], None)
        token = ada.tokens.access_token
        self.claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
        self.header: dict[str, Any] = {k: v for k, v in jwt.get_unverified_header(token).items() if k != "alg"}

    def token(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        asserted = {name: value for name, value in {**self.claims, **claims}.items() if value is not None}
        head = {name: value for name, value in {**self.header, **(header or {})}.items() if value is not None}
        return jwt.encode(asserted, self._key, algorithm="EdDSA", headers=head)  # type: ignore[arg-type]

    def public(self) -> bytes:
        assert isinstance(self._key, Ed25519PrivateKey)
        return self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


@pytest.fixture
def forger(ada: Person) -> Forger:
    return Forger(ada)


def refused(answer: Answer, code: str = "invalid_token") -> None:
    answer.refused(401, code)
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="plaza", error="invalid_token"')


async def test_a_signed_token_lets_in(door: Door, ada: Person, forger: Forger) -> None:
    assert (await door.ask("GET", "/v1/users/me", token=forger.token())).status == 200
    assert (await door.ask("GET", "/v1/users/me", headers={"authorization": f"bearer {forger.token()}"})).status == 200


async def test_a_token_that_is_over_says_so(door: Door, forger: Forger) -> None:
    for _ in range(2):
        over = forger.token(exp=int((clock.now() - timedelta(seconds=40)).timestamp()))
        refused(await door.ask("GET", "/v1/users/me", token=over), "token_expired")


async def test_clocks_may_differ_by_a_few_seconds(door: Door, forger: Forger) -> None:
    just_over = forger.token(exp=int((clock.now() - timedelta(seconds=5)).timestamp()))
    assert (await door.ask("GET", "/v1/users/me", token=just_over)).status == 200


async def test_a_token_that_was_good_is_refused_once_it_is_over(
    door: Door, site: Site, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = ada.tokens.access_token
    assert (await door.ask("GET", "/v1/users/me", token=token)).status == 200
    later = clock.now() + timedelta(minutes=11)
    monkeypatch.setattr("social.infra.security.tokens.clock.now", lambda: later)
    refused(await door.ask("GET", "/v1/users/me", token=token), "token_expired")


async def test_a_token_that_cannot_be_looked_at_is_counted_as_none(
    site: Site, door: Door, ada: Person, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nested = forgeries(secrets()[0], ada.tokens.access_token)["claims nested too deep"]
    async with serving(site.plaza, site.keys, rate_ip="3/3600") as limited:
        answers = [await limited.ask("GET", "/v1/users/me", token=nested) for _ in range(5)]
    assert [each.status for each in answers] == [401] * 3 + [429] * 2
    assert "Traceback" not in capsys.readouterr().out

    def broken(_token: str) -> None:
        raise MemoryError

    monkeypatch.setattr(site.keys.verifier, "verify", broken)
    async with serving(site.plaza, site.keys) as limited:
        refused(await limited.ask("GET", "/v1/users/me", token="x"))


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YWRhOmFkYQ==", "Token x", "x"])
async def test_without_a_token_nobody_is_let_in(door: Door, header: str) -> None:
    refused(await door.ask("GET", "/v1/users/me", headers={"Authorization": header} if header else {}))


async def test_a_token_in_the_address_is_no_token(door: Door, ada: Person) -> None:
    refused(await door.ask("GET", f"/v1/users/me?access_token={ada.tokens.access_token}"))


@pytest.mark.parametrize("nonsense", ["x", "a.b.c", "..", "e30.e30.e30", "é.ü.ß", "a" * 5000, "bnVsbA.bnVsbA.x"])
async def test_nonsense_is_no_token(door: Door, nonsense: str) -> None:
    refused(await door.ask("GET", "/v1/users/me", token=nonsense))


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": None},
        {"iss": "another"},
        {"iss": None},
        {"sub": None},
        {"sub": 7},
        {"sid": None},
        {"jti": None},
        {"iat": None},
        {"exp": None},
        {"exp": "never"},
        {"iat": 99_999_999_999},
    ],
    ids=str,
)
async def test_a_token_for_something_else_is_refused(door: Door, forger: Forger, claims: dict[str, Any]) -> None:
    refused(await door.ask("GET", "/v1/users/me", token=forger.token(**claims)))


@pytest.mark.parametrize(
    "header",
    [{"typ": "JWT"}, {"typ": None}, {"typ": "refresh+jwt"}, {"kid": "another"}, {"kid": None}, {"kid": "../../etc/x"}],
    ids=str,
)
async def test_a_token_of_another_kind_or_key_is_refused(door: Door, forger: Forger, header: dict[str, Any]) -> None:
    refused(await door.ask("GET", "/v1/users/me", token=forger.token(header)))


async def test_a_token_signed_with_another_key_is_refused(door: Door, ada: Person) -> None:
    another = Forger(ada, new_private_key())
    refused(await door.ask("GET", "/v1/users/me", token=another.token()))  # under the kid of the true key
    refused(await door.ask("GET", "/v1/users/me", token=Signer(new_private_key()).sign(ada.id, "0" * 24)))


async def test_the_public_key_is_no_shared_secret(door: Door, forger: Forger) -> None:
    for secret in (forger.public(), forger.public().strip()):
        signed = f"{b64(encode({**forger.header, 'alg': 'HS256'}))}.{b64(encode(forger.claims))}"
        mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        refused(await door.ask("GET", "/v1/users/me", token=f"{signed}.{b64(mac)}"))


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, 7, ["EdDSA"]])
async def test_an_unsigned_token_is_refused(door: Door, forger: Forger, algorithm: Any) -> None:
    header, claims = b64(encode({**forger.header, "alg": algorithm})), b64(encode(forger.claims))
    for signature in ("", forger.token().rpartition(".")[2]):
        refused(await door.ask("GET", "/v1/users/me", token=f"{header}.{claims}.{signature}"))


async def test_a_token_whose_claims_were_changed_is_refused(door: Door, ada: Person, bob: Person) -> None:
    header, _, signature = ada.tokens.access_token.split(".")
    claims = bob.tokens.access_token.split(".")[1]
    refused(await door.ask("GET", "/v1/users/me", token=f"{header}.{claims}.{signature}"))


async def test_the_published_keys_are_those_that_sign(door: Door, ada: Person) -> None:
    answer = await door.ask("GET", "/.well-known/jwks.json")
    (key,) = answer.body["keys"]
    assert key["alg"] == "EdDSA"
    assert "d" not in key, "the private half"
    token = ada.tokens.access_token
    assert jwt.get_unverified_header(token)["kid"] == key["kid"]
    claims = jwt.decode(token, jwt.PyJWK(key).key, algorithms=["EdDSA"], audience="plaza", issuer="plaza")
    assert claims["sub"] == ada.id


async def test_an_account_that_is_gone_is_nobody(site: Site, door: Door) -> None:
    signed = site.keys.signer.sign("0" * 24, "1" * 24)
    (await door.ask("GET", "/v1/users/me", token=signed)).refused(404, "not_found")
    (await door.ask("POST", "/v1/posts", {"text": "hello"}, token=signed)).refused(404, "not_found")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_forged_token_is_refused(door: Door, ada: Person, kind: str) -> None:
    good = ada.tokens.access_token
    assert (await door.ask("GET", "/v1/users/me", token=good)).status == 200
    refused(await door.ask("GET", "/v1/users/me", token=forgeries(secrets()[0], good)[kind]))


async def test_a_token_of_a_hundred_kilobytes_is_refused_before_it_is_read(door: Door, ada: Person) -> None:
    answer = await door.ask("GET", "/v1/users/me", token=ada.tokens.access_token + "x" * 100_000)
    assert answer.status == 400, "longer than a header may be"
    assert (await ada.me()).id == ada.id


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        (None, "Send a token as `Authorization: Bearer <access token>`"),
        ("{token}", "Send a token as `Authorization: Bearer <access token>`"),
        ("Basic {token}", "Send a token as `Authorization: Bearer <access token>`"),
        ("Bearer Bearer {token}", "`Bearer ` is no part of an access token: send what stands behind it"),
        ("Bearer " + "x" * 5_000, "An access token has at most 4096 characters"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_a_developer_sees_what_is_wrong_with_the_header(
    door: Door, ada: Person, header: str | None, detail: str
) -> None:
    headers = {"Authorization": header.format(token=ada.tokens.access_token)} if header else {}
    answer = await door.ask("GET", "/v1/users/me", headers=headers)
    refused(answer)
    assert answer.body["detail"] == detail
