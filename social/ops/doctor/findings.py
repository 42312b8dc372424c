"""Findings of the doctor: a line each, in plain words, with what to do about it, and never a password."""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import unquote


class Level(StrEnum):
    """The level of a finding: a problem loses or refuses something, a warning will one day."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(NamedTuple):
    """A line: what was looked at, how it is, and what to do where it is not well."""

    level: Level
    about: str
    says: str
    remedy: str = ""


def ok(about: str, says: str) -> Finding:
    """Return a finding that all is as it should be."""
    return Finding(Level.OK, about, says)


def warning(about: str, says: str, remedy: str) -> Finding:
    """Return a finding about what works now and will not always."""
    return Finding(Level.WARNING, about, says, remedy)


def problem(about: str, says: str, remedy: str) -> Finding:
    """Return a finding that something is lost, refused or away."""
    return Finding(Level.PROBLEM, about, says, remedy)


def where(url: str) -> str:
    """Return a URL without its user, password and options; a password may hold an @ that nobody escaped."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def passwords(url: str) -> set[str]:
    """Return the secrets in a URL, as they stand there and decoded."""
    rest = url.partition("://")[2]
    user, _, password = rest.rpartition("@")[0].partition(":")
    options = re.findall(r"(?i)[?&][^=&]*(?:password|secret|token)[^=&]*=([^&]+)", rest)
    words = {password, *options, *([user] if not password else [])}
    return {word for each in words for word in (each, unquote(each)) if word}


SHORTEST = 6  # a word that is shorter is found in what is no secret


def without(secrets: Iterable[str], finding: Finding) -> Finding:
    """Return a finding with these secrets removed: a guard, since no finding should contain a secret."""
    says, remedy = finding.says, finding.remedy
    for secret in sorted((each for each in secrets if len(each) >= SHORTEST), key=len, reverse=True):
        says, remedy = says.replace(secret, "***"), remedy.replace(secret, "***")
    return finding._replace(says=says, remedy=remedy)


def why(error: BaseException) -> str:
    """Return the first sentence of an error, in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return re.split(r" \(configured timeouts|, Timeout: ", text)[0][:200]
