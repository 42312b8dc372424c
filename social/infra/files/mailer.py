"""Outgoing mail: to a file or the terminal in development, to an SMTP server by its URL in production."""

import asyncio
import os
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import localtime
from pathlib import Path
from typing import Annotated, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

import aiosmtplib
from pydantic import AfterValidator, Field, HttpUrl, StringConstraints

from social.contracts.addresses import normal
from social.infra import clock
from social.infra.settings import PlazaSettings
from social.infra.spellings import OrFile

TIMEOUT_S = 15.0
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def _reachable(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme.startswith("smtp") and not (parts.hostname and parts.port != 0):
        raise ValueError("names no server")
    return url


MailerUrl = Annotated[
    str, StringConstraints(pattern=r"^(console:|file:.+|smtps?://.+)$"), AfterValidator(_reachable), OrFile()
]


class Mail(NamedTuple):
    """A mail to one person, in plain text."""

    to: str
    subject: str
    text: str


class MailRefused(Exception):
    """The address can never be reached: a retry would not help."""


class MailSettings(PlazaSettings):
    """Settings of outgoing mail."""

    mailer_url: MailerUrl = Field(
        default="file:var/mail",
        description="console:, file:FOLDER, smtp://user:password@host:587 or smtps://user:password@host",
    )
    mail_from: Annotated[str, StringConstraints(pattern=r"^[!-?A-~]+@[!-?A-~]+$")] = Field(
        default="plaza@localhost", description="address that mail comes from"
    )
    mail_links: HttpUrl = Field(
        default=HttpUrl("http://localhost:8080"),
        description="where the web client is: mails link to its /verify-email and /reset-password",
    )


class Mailer(Protocol):
    """Hands over a mail; when `send` returns, another system is responsible for it."""

    async def send(self, mail: Mail) -> None:
        """Send a mail; raises MailRefused for an impossible address, anything else where a retry may work."""
        ...


def mailer(url: str, sender: str) -> Mailer:
    """Return the mailer that a `MAILER_URL` names."""
    scheme, _, rest = url.partition(":")
    match scheme:
        case "console":
            return ConsoleMailer(sender)
        case "file":
            return FileMailer(Path(rest), sender)
    return SmtpMailer(url, sender)


class ConsoleMailer:
    """Prints mails with their tokens: for a terminal that is not recorded."""

    def __init__(self, sender: str) -> None:
        self._sender = sender

    async def send(self, mail: Mail) -> None:
        """Print the mail."""
        print(message(mail, self._sender).as_string(), flush=True)


class FileMailer:
    """Stores each mail as a file that only its owner can read."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender

    async def send(self, mail: Mail) -> None:
        """Write the mail whole or not at all; the newest is the last by name."""
        await asyncio.to_thread(self._write, message(mail, self._sender).as_bytes())

    def _write(self, content: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / f"{clock.millis(clock.now())}-{clock.new_id()}.eml"
        new = path.with_suffix(".new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.rename(path)


class SmtpMailer:
    """Opens a connection for each mail, encrypted where the server can; a remote server gets no password otherwise."""

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        self._sender = sender
        self._host = parts.hostname or ""
        self._tls = parts.scheme == "smtps"
        self._port = parts.port or (465 if self._tls else 25 if parts.username is None else 587)
        self._username = unquote(parts.username) if parts.username is not None else None
        self._password = unquote(parts.password or "") if parts.username is not None else None

    async def send(self, mail: Mail) -> None:
        """Hand the mail to the server, which is responsible for it from then on."""
        made = message(mail, self._sender)
        try:
            async with asyncio.timeout(TIMEOUT_S), self._server() as server:
                await server.send_message(made, sender=self._sender, recipients=[_recipient(mail)])
        except aiosmtplib.SMTPRecipientsRefused as refused:
            if all(each.code >= 500 for each in refused.recipients):
                raise MailRefused(f"refused with {refused.recipients[0].code}") from None
            raise

    async def greet(self) -> None:
        """Connect and log in without a mail; raises what sending would raise."""
        async with asyncio.timeout(TIMEOUT_S), self._server():
            pass

    def _server(self) -> aiosmtplib.SMTP:
        must_encrypt = self._username is not None and self._host not in LOOPBACK
        return aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._username,
            password=self._password,
            use_tls=self._tls,
            start_tls=None if self._tls or not must_encrypt else True,
            timeout=TIMEOUT_S,
        )


def _recipient(mail: Mail) -> str:
    """Return the address of a mail with its domain in ASCII; raises MailRefused for other non-ASCII addresses."""
    address = normal(mail.to)
    if not address.isascii():
        raise MailRefused("few servers take an address that is not ASCII")
    return address


def message(mail: Mail, sender: str) -> EmailMessage:
    """Return the mail as a message; raises MailRefused for an address that cannot be written in a header."""
    made = EmailMessage()
    try:
        made["To"] = Address(addr_spec=_recipient(mail))
    except (ValueError, IndexError, AttributeError, MessageError):  # the parser raises all of these
        raise MailRefused("not an address") from None
    made["From"] = Address("Plaza", addr_spec=sender)
    made["Subject"] = mail.subject
    made["Date"] = localtime(clock.now())
    made["Message-ID"] = f"<{clock.new_id()}@{sender.rpartition('@')[2]}>"
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic replies
    made.set_content(mail.text)
    return made
