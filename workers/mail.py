"""The consumer of mail; a token is made when its mail is sent, and is stored only as a hash."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from social.accounts import credentials, mailed_tokens
from social.accounts.mailed_tokens import Purpose
from social.contracts.events import (
    EmailChanged,
    EmailChangeRequested,
    EmailVerificationRequested,
    Group,
    PasswordChanged,
    PasswordResetRequested,
)
from social.infra import clock
from social.infra.broker.inbox import ReceivedEvent, row_id
from social.infra.files.mailer import Mail, Mailer, MailRefused, MailSettings, mailer
from social.infra.observe import logs
from social.infra.process.plaza import Plaza
from social.infra.store.mongo import Where
from social.infra.store.rows import INBOX, USERS, InboxRow, UserRow
from social.people import addresses

log = logs.get("mail")

AT_ONCE = 8
FIELDS = {"username": 1, "email": 1, "email_verified_at": 1, "password_changed_at": 1}

VERIFY = """Hello {username},

please confirm that this is your address:

  {link}

The link works once, for 24 hours. If you did not ask for it, ignore this mail.
"""
RESET = """Hello {username},

a new password was requested for your account, probably by you. Choose it here:

  {link}

The link works once, for one hour. If it was not you, ignore this mail: nothing has changed.
"""
CHANGED = """Hello {username},

your password was changed, and all other devices were logged out.
If it was not you, choose another one now by "forgot password".
"""
MOVED = """Hello {username},

the address of your account was changed: mail goes to the new one from now on, and no longer to this one.
If it was not you, answer to this mail soon.
"""


@dataclass(frozen=True)
class MailConsumer:
    """The mailer, and the address of the web client that links in mails lead to."""

    mailer: Mailer
    links: str
    minting: asyncio.Lock = field(default_factory=asyncio.Lock)  # tokens are made one by one, because they are counted

    @classmethod
    def of(cls, settings: MailSettings) -> "MailConsumer":
        """Return the consumer that the settings describe."""
        return cls(mailer(settings.mailer_url, settings.mail_from), str(settings.mail_links).rstrip("/"))

    async def handle(self, plaza: Plaza, happened: Sequence[ReceivedEvent]) -> None:
        """Send the mail of each event; a failed mail is retried alone, and an inbox row remembers a sent mail."""
        gate = asyncio.Semaphore(AT_ONCE)
        by_key: dict[str, list[ReceivedEvent]] = defaultdict(list)
        for each in happened:
            by_key[each.event.key].append(each)

        async def in_turn(
            several: list[ReceivedEvent],
        ) -> None:  # in parallel they could exceed a person's limit
            async with gate:
                for each in several:
                    with logs.working_for(each.trace):
                        await self._once(plaza, each)

        done = await asyncio.gather(*map(in_turn, by_key.values()), return_exceptions=True)
        if failed := next((error for error in done if error is not None), None):
            raise failed

    async def _once(self, plaza: Plaza, happened: ReceivedEvent) -> None:
        seen = row_id(Group.MAIL, happened.id)
        if await plaza.mongo.one(INBOX, {"_id": seen}, {"_id": 1}):
            return
        await self._send(plaza, happened)
        await plaza.mongo.insert_missing(
            INBOX, [InboxRow(_id=seen, at=clock.now())]
        )  # written after sending: at worst a mail comes twice

    async def _send(self, plaza: Plaza, happened: ReceivedEvent) -> None:
        match happened.event:
            case EmailVerificationRequested(user_id=user_id):
                user = await _account(plaza, {"_id": user_id})
                if user and (email := addresses.of(user)) and not user.get("email_verified_at"):
                    await self._token(plaza, Purpose.EMAIL, user, email, happened.at)
            case EmailChangeRequested(user_id=user_id, email=email):
                user = await _account(plaza, {"_id": user_id})
                if user and not credentials.outdated(user, happened.at):
                    await self._token(plaza, Purpose.EMAIL, user, email, happened.at)
            case PasswordResetRequested(email=email):
                if user := await _account(plaza, {"email": email}):
                    await self._token(plaza, Purpose.PASSWORD, user, email, happened.at)
            case PasswordChanged(user_id=user_id):
                user = await _account(plaza, {"_id": user_id})
                if user and (email := addresses.of(user)):
                    text = CHANGED.format(username=user["username"])
                    await self._hand_over(Mail(email, "Your password was changed", text))
            case EmailChanged(user_id=user_id, old_email=old):
                if user := await _account(plaza, {"_id": user_id}):
                    text = MOVED.format(username=user["username"])
                    await self._hand_over(Mail(old, "Your e-mail address was changed", text))

    async def _token(self, plaza: Plaza, purpose: Purpose, user: UserRow, email: str, asked_at: datetime) -> None:
        async with self.minting:
            token = await mailed_tokens.mint(plaza.mongo, purpose, user["_id"], email, asked_at=asked_at)
        if token is None:
            log.warning("no more mails of this kind for this person within the hour", purpose=purpose)
            return
        page, subject, text = {
            Purpose.EMAIL: ("verify-email", "Confirm your e-mail address", VERIFY),
            Purpose.PASSWORD: ("reset-password", "Choose a new password", RESET),
        }[purpose]
        link = f"{self.links}/{page}#token={token}"  # a fragment is in no server's log and no Referer
        try:
            await self._hand_over(Mail(email, subject, text.format(username=user["username"], link=link)))
        except Exception:
            await mailed_tokens.forget(plaza.mongo, token)
            raise

    async def _hand_over(self, mail: Mail) -> None:
        try:
            await self.mailer.send(mail)
        except MailRefused as refusal:
            log.warning("mail refused for good", subject=mail.subject, why=str(refusal))


async def _account(plaza: Plaza, where: Where) -> UserRow | None:
    return await plaza.mongo.one(USERS, {**where, "deleted_at": None}, FIELDS)
