"""The mail of a test, as the file mailer leaves it."""

import email
import email.policy
import re
from email.message import EmailMessage
from pathlib import Path

from support.eventually import eventually

LINKS = "https://plaza.example"


class Mailbox:
    """The mail to everybody."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def mails(self, to: str) -> list[EmailMessage]:
        """Return the mails to an address, the oldest first."""
        parser = email.policy.default
        read = [
            email.message_from_bytes(path.read_bytes(), policy=parser) for path in sorted(self.folder.glob("*.eml"))
        ]
        return [mail for mail in read if mail["To"] == to]

    async def mail(self, to: str, subject: str, count: int = 1) -> EmailMessage:
        """Return the `count`-th mail with this in its subject, once it is there."""

        async def look() -> EmailMessage:
            found = [mail for mail in self.mails(to) if subject in mail["Subject"]]
            assert len(found) >= count, [mail["Subject"] for mail in self.mails(to)]
            return found[count - 1]

        return await eventually(look)

    async def token(self, to: str, subject: str, count: int = 1) -> str:
        """Return the token in a mail's link."""
        return token_of(await self.mail(to, subject, count))


def token_of(mail: EmailMessage) -> str:
    """Return the token in the link of a mail."""
    found = re.search(rf"{LINKS}/[a-z-]+#token=([\w-]+)", mail.get_content())
    assert found, mail.get_content()
    return found[1]
