"""The composition root of the worker process: settings, connections, and the roles it takes."""

from collections.abc import Sequence
from functools import partial

from aiohttp import web

from social.contracts.events import Group
from social.feeds import FANOUT_LIMIT
from social.infra.files.blobs import Blobs, blobs, check_store
from social.infra.observe import logs
from social.infra.process import process
from social.infra.process.health import Health
from social.infra.process.plaza import Plaza
from social.infra.process.process import Tasks
from social.infra.process.running import configured, connected, running
from social.infra.process.starting import wait_for_schema
from social.infra.settings import check_folder
from workers import accounts, activity, counters, feeds, notifications, relay, runner, sweeper
from workers.deaths import Turns
from workers.mail import MailConsumer
from workers.runner import Consumer
from workers.settings import ROLES, WorkerSettings

log = logs.get("workers")

COLLECT_S = 0.1  # counts may wait so long: a notification of the same like need not share the store with them


def consumers(mail: MailConsumer, *, fanout_limit: int = FANOUT_LIMIT) -> dict[str, Consumer]:
    """Return the consumers by role."""
    return {
        "notifications": Consumer(Group.NOTIFICATIONS, notifications.handle, notifications.due, ahead=10_000),
        "feeds": Consumer(Group.FEEDS, partial(feeds.handle, fanout_limit=fanout_limit)),
        "counters": Consumer(Group.COUNTERS, counters.handle, collect_s=COLLECT_S),
        "accounts": Consumer(Group.ACCOUNTS, accounts.handle),
        "activity": Consumer(Group.ACTIVITY, activity.handle),
        "mail": Consumer(Group.MAIL, mail.handle),
    }


def start(
    plaza: Plaza,
    tasks: Tasks,
    mail: MailConsumer,
    kept: Blobs,
    roles: Sequence[str] = ROLES,
    *,
    fanout_limit: int = FANOUT_LIMIT,
) -> None:
    """Start the tasks of these roles over a connected system."""
    consuming, turns = consumers(mail, fanout_limit=fanout_limit), Turns()
    for role in roles:
        if role == "relay":
            tasks.keep(role, partial(relay.run, plaza))
        elif role == "sweeper":
            tasks.keep(role, partial(sweeper.run, plaza, kept))
        else:
            tasks.keep(role, partial(runner.consume, plaza, consuming[role], turns))


def prepare() -> WorkerSettings:
    """Load what a start needs before it connects to any server; raises StartError."""
    settings = configured(WorkerSettings, "workers")
    if "sweeper" in settings.worker_roles:
        check_store(settings.media_url)
    if "mail" in settings.worker_roles:
        check_folder("MAILER_URL", settings.mailer_url)
    return settings


async def main() -> bool:
    """Work until a signal stops the process; return whether it ended well."""
    settings = prepare()
    tasks = process.Tasks()
    async with connected(settings) as plaza:
        kept, health = blobs(settings.media_url), Health({"mongo": plaza.mongo.ping, "broker": plaza.broker.ping})
        app = web.Application()
        app.add_routes(health.routes())
        port = await process.listen(app, settings.workers_host, settings.workers_port)
        try:
            async with running(plaza, tasks):
                if await wait_for_schema(health, plaza.mongo, tasks):
                    plaza.start(tasks)
                    roles, mail = settings.worker_roles, MailConsumer.of(settings)
                    start(plaza, tasks, mail, kept, roles, fanout_limit=settings.fanout_limit)
                    log.info("workers working", roles=",".join(roles))
                await tasks.until_stopped()
                health.stopping = True
        finally:
            await port.cleanup()
            await kept.close()
    return not tasks.failed
