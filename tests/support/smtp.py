"""A real SMTP server for the mail of a test."""

import asyncio
import email
import email.policy
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope


class Server:
    """The mails that reached the server."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.answers: dict[str, str] = {}

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any) -> str:
        answer = self.answers.get("RCPT", "250 fine")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:
        if "DATA" not in self.answers:
            self.envelopes.append(envelope)
        return self.answers.get("DATA", "250 taken")

    def mail(self) -> EmailMessage:
        (envelope,) = self.envelopes
        assert isinstance(envelope.content, bytes)
        return email.message_from_bytes(envelope.content, policy=email.policy.default)


@asynccontextmanager
async def smtp(
    tls: ssl.SSLContext | None = None, *, ascii_only: bool = False, **options: Any
) -> AsyncIterator[tuple[Server, int]]:
    """Run an SMTP server on this loop; yield it and its port."""
    handler = Server()
    listening = await asyncio.get_running_loop().create_server(
        lambda: SMTP(handler, hostname="mail.example", enable_SMTPUTF8=not ascii_only, **options),
        "127.0.0.1",
        0,
        ssl=tls,
    )
    try:
        yield handler, listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await listening.wait_closed()
