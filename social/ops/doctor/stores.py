"""Checks of the place where pictures are kept and of the mail server, for the process that uses them."""

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import TypeVar

import aiosmtplib
from pydantic_settings import BaseSettings

from social.contracts.problems import NotFound, Unavailable
from social.infra import clock
from social.infra.files.blobs import MediaSettings, blobs
from social.infra.files.mailer import MailSettings, SmtpMailer
from social.infra.settings import StartError, check_folder, listed, load
from social.ops.doctor.findings import Finding, ok, passwords, problem, warning, where, why, without
from social.ops.doctor.settings import Examined

S = TypeVar("S", bound=BaseSettings)

# The services and roles that use one; what a process has set of the other says nothing.
PICTURES: Mapping[str, str] = MappingProxyType({"api": "media", "workers": "sweeper"})
MAIL: Mapping[str, str] = MappingProxyType({"workers": "mail"})

MADE = b"doctor"


async def pictures(process: str, settings: Examined) -> AsyncIterator[Finding]:
    """Yield where this process keeps pictures, if it does; a setting that is wrong is said by its start."""
    chosen = settings.api_services if process == "api" else settings.worker_roles
    if _does(PICTURES.get(process), chosen) and (media := _read(MediaSettings, process)):
        yield without(passwords(media.media_url), await _pictures(media.media_url))


async def mail(process: str, settings: Examined) -> AsyncIterator[Finding]:
    """Yield where mail of this process leaves, if it sends any."""
    if _does(MAIL.get(process), settings.worker_roles) and (sends := _read(MailSettings, process)):
        yield without(passwords(sends.mailer_url), await _mail(sends))


def _does(work: str | None, chosen: str | None) -> bool:
    """Return all of it, unless some was chosen."""
    parts = listed(chosen)
    return work is not None and (not isinstance(parts, list) or work in parts)


def _read(kind: type[S], process: str) -> S | None:
    try:
        return load(kind, process)
    except StartError:  # a setting is wrong, or the file cannot be read
        return None


async def _pictures(url: str) -> Finding:
    """Return a bucket is given a few bytes, which are read and removed again."""
    name = f"doctor/{clock.new_id()}"
    try:
        check_folder("MEDIA_URL", url)
        store = blobs(url)
    except StartError as error:
        return problem("pictures", str(error), "let its user write there, or install what it needs")
    if url.startswith("file:"):
        return ok("pictures", f"are kept in {url.removeprefix('file:')}, which can be written to")
    try:
        await store.put(name, MADE, "text/plain")
        try:
            read = b"".join([piece async for piece in store.read(name, 0, len(MADE))])
        finally:
            await store.delete(name)
    except (Unavailable, NotFound, ValueError) as error:  # the last: an endpoint that is no URL
        remedy = "start it, or correct MEDIA_URL and the credentials: who has them must read, write, list and delete"
        return problem("pictures", f"{where(url)} cannot be used: {why(error.__cause__ or error)}", remedy)
    finally:
        await store.close()
    if read != MADE:
        return problem("pictures", f"{where(url)} gives back something else than it was given", "use another")
    return ok("pictures", f"{where(url)} keeps what it is given")


async def _mail(settings: MailSettings) -> Finding:
    """Return an SMTP server is greeted and logged in to; no mail is sent."""
    url = settings.mailer_url
    if not url.startswith("smtp"):
        try:
            check_folder("MAILER_URL", url)
        except StartError as error:
            return problem("mail", str(error), "let the user that runs this process write there")
        says = f"is kept at {url}: nobody is sent any" if url.startswith("file:") else "is printed: nobody is sent any"
        return warning("mail", says, "name an SMTP server in MAILER_URL")
    try:
        await SmtpMailer(url, settings.mail_from).greet()
    except aiosmtplib.SMTPAuthenticationError:
        return problem("mail", f"{where(url)} refuses the user or the password", "correct them in MAILER_URL")
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        return problem("mail", f"{where(url)} cannot be used: {why(error)}", "start it, or correct MAILER_URL")
    return ok("mail", f"{where(url)} lets us in; no mail was sent")
