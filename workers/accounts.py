"""The consumer that erases deleted accounts in pieces, each a message, so that large accounts block nobody."""

import asyncio
from collections.abc import Sequence

from social.accounts import erasure
from social.contracts.events import AccountDeleted, ForgettingContinued, Group
from social.contracts.pushes import presence_room
from social.infra import clock
from social.infra.broker.inbox import ReceivedEvent, once
from social.infra.observe import logs
from social.infra.process.plaza import Plaza
from social.infra.redis.redis import AWAY
from social.infra.store.mongo import Transaction

log = logs.get("accounts")


async def handle(plaza: Plaza, happened: Sequence[ReceivedEvent]) -> None:
    """Erase a piece of an account for each event; the event of the next piece commits with it."""
    for each in happened:
        with logs.working_for(each.trace):
            match each.event:
                case AccountDeleted(user_id=user_id):
                    await erase(plaza, each, user_id, last_look=False)
                case ForgettingContinued(user_id=user_id, last_look=last_look):
                    await erase(plaza, each, user_id, last_look=last_look)


async def erase(plaza: Plaza, happened: ReceivedEvent, user_id: str, *, last_look: bool) -> None:
    """Erase a piece; when nothing is left, look again after all writes that were under way have ended."""
    deleted_at = await erasure.deleted_at(plaza.mongo, user_id)
    if deleted_at is None:
        return
    if last_look:
        left = deleted_at + erasure.SETTLES - clock.now()
        await asyncio.sleep(min(left, erasure.SETTLES).total_seconds())

    async def record(tx: Transaction, _: Sequence[ReceivedEvent]) -> None:
        if await erasure.some(tx, user_id):
            tx.record(ForgettingContinued(user_id=user_id))
        elif last_look:
            await erasure.bury(tx, user_id)
        else:
            tx.record(ForgettingContinued(user_id=user_id, last_look=True))

    await once(plaza, Group.ACCOUNTS, [happened], record)
    if last_look:
        await _forget_presence(plaza, user_id)


async def _forget_presence(plaza: Plaza, user_id: str) -> None:
    try:
        await plaza.redis.delete(presence_room(user_id))
    except AWAY as error:
        log.debug("presence ends with its lease", error=str(error))
