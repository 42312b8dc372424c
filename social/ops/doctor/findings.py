"""What the doctor finds: one line each, in plain words, with what to do about it, and never a password."""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import unquote


class Level(StrEnum):
    """How bad it is: a problem loses or refuses something, a warning will one day."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(NamedTuple):
    """One line: what was looked at, how it is, and what to do where it is not well."""

    level: Level
    about: str
    says: str
    mend: str = ""


def ok(about: str, says: str) -> Finding:
    """It is as it should be."""
    return Finding(Level.OK, about, says)


def warning(about: str, says: str, mend: str) -> Finding:
    """It works, and will not always."""
    return Finding(Level.WARNING, about, says, mend)


def problem(about: str, says: str, mend: str) -> Finding:
    """Something is lost, refused or away."""
    return Finding(Level.PROBLEM, about, says, mend)


def where(url: str) -> str:
    """A URL without its user, password and options; a password may hold an @ that nobody escaped."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def passwords(url: str) -> set[str]:
    """What must not be shown of a URL, as it stands there and as a server is told it."""
    rest = url.partition("://")[2]
    user, _, password = rest.rpartition("@")[0].partition(":")
    options = re.findall(r"(?i)[?&][^=&]*(?:password|secret|token)[^=&]*=([^&]+)", rest)
    words = {password, *options, *([user] if not password else [])}
    return {word for each in words for word in (each, unquote(each)) if word}


SHORTEST = 6  # a word that is shorter is found in what is no secret


def without(secrets: Iterable[str], finding: Finding) -> Finding:
    """The same with none of these in it: a guard, as no finding should say one."""
    says, mend = finding.says, finding.mend
    for secret in sorted((each for each in secrets if len(each) >= SHORTEST), key=len, reverse=True):
        says, mend = says.replace(secret, "***"), mend.replace(secret, "***")
    return finding._replace(says=says, mend=mend)


def why(error: BaseException) -> str:
    """The first sentence of an error, in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return re.split(r" \(configured timeouts|, Timeout: ", text)[0][:200]
