"""Outgoing mail: the terminal, a folder, and a real SMTP server."""

import asyncio
import email
import email.policy
import ssl
import stat
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pydantic import ValidationError
from support.smtp import Server, smtp

from social.infra.files.mailer import Mail, MailRefused, MailSettings, mailer

SENDER = "plaza@example.org"
HELLO = Mail("ada@example.org", "Hello, Ada", "One line.\nAnother — with a dash.\n")


def said_to(server: Server) -> list[tuple[str | None, list[str]]]:
    return [(envelope.mail_from, envelope.rcpt_tos) for envelope in server.envelopes]


async def test_a_mail_reaches_an_smtp_server_as_it_was_written() -> None:
    async with smtp() as (server, port):
        await mailer(f"smtp://127.0.0.1:{port}", SENDER).send(HELLO)
    assert said_to(server) == [(SENDER, ["ada@example.org"])]
    mail = server.mail()
    assert (mail["To"], mail["From"], mail["Subject"]) == ("ada@example.org", f"Plaza <{SENDER}>", "Hello, Ada")
    assert mail.get_content().splitlines() == HELLO.text.splitlines()
    assert mail["Message-ID"].endswith("@example.org>")
    assert mail["Auto-Submitted"] == "auto-generated"


@pytest.mark.filterwarnings("ignore:Session.login_data is deprecated:DeprecationWarning")  # an error of the server
async def test_a_password_in_the_url_logs_in() -> None:
    seen: list[LoginPassword] = []

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: LoginPassword) -> AuthResult:
        seen.append(data)
        return AuthResult(success=data.password == b"p@ss word", handled=False)

    async with smtp(authenticator=authenticate, auth_require_tls=False) as (server, port):
        await mailer(f"smtp://plaza:p%40ss%20word@127.0.0.1:{port}", SENDER).send(HELLO)
        assert seen[-1].login == b"plaza"
        assert len(server.envelopes) == 1
        with pytest.raises(
            aiosmtplib.SMTPAuthenticationError
        ):  # an error in the settings: tried again until it is repaired, not dropped
            await mailer(f"smtp://plaza:wrong@127.0.0.1:{port}", SENDER).send(HELLO)


async def test_a_password_is_not_sent_to_another_machine_in_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("social.infra.files.mailer.LOOPBACK", ())
    async with smtp(authenticator=lambda *_: AuthResult(success=True), auth_require_tls=False) as (server, port):
        with pytest.raises(aiosmtplib.SMTPException, match="STARTTLS"):
            await mailer(f"smtp://plaza:secret@127.0.0.1:{port}", SENDER).send(HELLO)
    assert server.envelopes == []


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Make a certificate of 127.0.0.1, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "mail.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(secret + made.public_bytes(Encoding.PEM))
    return path


@pytest.mark.filterwarnings("ignore:Session.login_data is deprecated:DeprecationWarning")  # an error of the server
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_a_password_travels_encrypted_to_a_server_that_proves_its_name(
    monkeypatch: pytest.MonkeyPatch, certificate: Path, scheme: str
) -> None:
    monkeypatch.setattr("social.infra.files.mailer.LOOPBACK", ())
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    seen: list[bytes] = []

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: LoginPassword) -> AuthResult:
        seen.append(data.password)
        return AuthResult(success=True)

    started = {"tls_context": tls, "require_starttls": True} if scheme == "smtp" else {}
    async with smtp(
        tls if scheme == "smtps" else None,
        authenticator=authenticate,
        auth_require_tls=scheme == "smtp",  # the URL of a listener with TLS from the start
        **started,
    ) as (server, port):
        ours = mailer(f"{scheme}://plaza:secret@127.0.0.1:{port}", SENDER)
        with pytest.raises((aiosmtplib.SMTPException, ssl.SSLCertVerificationError)):
            await ours.send(HELLO)  # nobody vouches for this server
        assert (seen, server.envelopes) == ([], [])
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        await ours.send(HELLO)
    assert seen == [b"secret"]
    assert server.mail()["Subject"] == HELLO.subject


async def test_an_address_the_server_refuses_for_good_is_given_up() -> None:
    async with smtp() as (server, port):
        server.answers["RCPT"] = "550 nobody of that name"
        with pytest.raises(MailRefused):
            await mailer(f"smtp://127.0.0.1:{port}", SENDER).send(HELLO)


@pytest.mark.parametrize("answers", [{"RCPT": "450 greylisted"}, {"DATA": "451 later"}, {"DATA": "554 not like this"}])
async def test_what_may_work_later_is_tried_again(answers: dict[str, str]) -> None:
    async with smtp() as (server, port):
        server.answers |= answers
        with pytest.raises(aiosmtplib.SMTPException):
            await mailer(f"smtp://127.0.0.1:{port}", SENDER).send(HELLO)


async def test_a_server_that_is_not_there_or_says_nothing_is_an_error_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("social.infra.files.mailer.TIMEOUT_S", 0.2)

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()

    gone = asyncio.Event()
    listening = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    with pytest.raises((TimeoutError, aiosmtplib.SMTPException)):
        await mailer(f"smtp://127.0.0.1:{port}", SENDER).send(HELLO)
    gone.set()
    listening.close()
    await listening.wait_closed()
    with pytest.raises(aiosmtplib.SMTPConnectError):
        await mailer(f"smtp://127.0.0.1:{port}", SENDER).send(HELLO)


@pytest.mark.parametrize(
    "address", ["a,b@example.org", "a\nBcc: eve@example.org", "a<b>@example.org", '"@example.org', ""]
)
async def test_an_address_cannot_add_recipients_or_headers(address: str) -> None:
    async with smtp() as (server, port):
        with pytest.raises(MailRefused):
            await mailer(f"smtp://127.0.0.1:{port}", SENDER).send(HELLO._replace(to=address))
    assert server.envelopes == []


@pytest.mark.parametrize(
    "address",
    ["<a@x.de", "(@x.de", "[@x.de", "a@].de", "a@[1.2", "a@x..de", "a@(.de", "a@x.(", "ö@x.de", "é" * 64 + "@x.de"],
)
async def test_what_is_no_address_is_given_up_and_never_tried_again(tmp_path: Path, address: str) -> None:
    """Anyone may choose these addresses: none may be retried for a quarter of an hour and then kept for an operator."""
    with pytest.raises(MailRefused):
        await mailer(f"file:{tmp_path}", SENDER).send(HELLO._replace(to=address))
    assert list(tmp_path.iterdir()) == []


async def test_an_international_domain_is_reached_by_a_server_that_knows_only_ascii() -> None:
    async with smtp(ascii_only=True) as (server, port):
        await mailer(f"smtp://127.0.0.1:{port}", SENDER).send(HELLO._replace(to="ada@exämple.org"))
        with pytest.raises(MailRefused):
            await mailer(f"smtp://127.0.0.1:{port}", SENDER).send(HELLO._replace(to="ädä@example.org"))
    assert said_to(server) == [(SENDER, ["ada@xn--exmple-cua.org"])]
    assert server.mail()["To"] == "ada@xn--exmple-cua.org"


async def test_a_folder_keeps_mails_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "mail"
    for subject in ("first", "second"):
        await mailer(f"file:{folder}", SENDER).send(HELLO._replace(subject=subject))
        await asyncio.sleep(0.002)
    mails = [
        email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in sorted(folder.iterdir())
    ]
    assert [mail["Subject"] for mail in mails] == ["first", "second"]
    assert mails[0].get_content() == HELLO.text
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


async def test_a_terminal_shows_the_mail(capsys: pytest.CaptureFixture[str]) -> None:
    await mailer("console:", SENDER).send(HELLO)
    assert "Subject: Hello, Ada" in capsys.readouterr().out


@pytest.mark.parametrize(
    "url", ["", "mail", "console", "file:", "smtp://", "smtp:host", "http://host", "smtp://:25", "smtp://h:x"]
)
def test_a_url_that_names_no_mailer_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        MailSettings(mailer_url=url)
