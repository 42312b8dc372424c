"""The settings of each process as data, read from their classes: for documents, examples, and tests of charts."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings

from api.settings import ApiSettings
from devtools.cluster.settings import ClusterSettings
from embedded.settings import EmbeddedRest, EmbeddedSettings
from realtime.settings import GatewaySettings
from realtime.settings import Settings as RealtimeSettings
from social.infra.files.mailer import MailSettings
from social.infra.redis.limits import Rate
from social.infra.settings import PlazaSettings, StoreSettings
from social.infra.spellings import Spelling, spellings
from social.ops.doctor.settings import Examined
from workers.settings import WorkerSettings

KINDS: dict[str, Sequence[type[PlazaSettings]]] = {
    "api": [ApiSettings],
    "realtime": [RealtimeSettings],
    "workers": [WorkerSettings],
    "social": [StoreSettings, Examined],
    "embedded": [EmbeddedSettings, EmbeddedRest, GatewaySettings, MailSettings],
    "cluster": [ClusterSettings],
}
PROCESSES = ("api", "realtime", "workers")  # of production

# What the embedded system sets itself, by other settings.
OWN = {"embedded": {"api_host", "api_services", "realtime_host", "pid_key"}}
# Read by the AWS library itself, where MEDIA_URL is s3:// or BROKER_URL is sqs://.
AWS = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"),
    *("AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"),
)


class Setting(NamedTuple):
    """A setting of a process: the variables that may give it, and what it is."""

    name: str
    file: str | None  # the variable that names a file with the value
    former: str | None
    platform: str | None
    required: bool  # by name or by file
    secret: bool
    default: str | None
    example: str
    file_example: str
    description: str

    @property
    def names(self) -> set[str]:
        """The variables that may give it; at most one does."""
        return {name for name in (self.name, self.file, self.former, self.platform) if name}


def settings_of(process: str, **given: Any) -> list[Setting]:
    """Return the settings of a process; what is required depends on what is `given`, e.g. api_services="posts"."""
    found: dict[str, Setting] = {}
    for kind in KINDS[process]:
        required = _missing(kind, given) if process != "social" or kind is StoreSettings else set()
        files = {each.file for each in spellings(kind)}
        for each in spellings(kind):
            if each.name not in files and each.name not in OWN.get(process, ()):
                found.setdefault(each.name, _setting(kind, each, required))
    return sorted(found.values(), key=lambda each: not each.required)


def names_of(process: str) -> set[str]:
    """Return every variable that a process reads as a setting, and those of the AWS library."""
    return {name for each in settings_of(process) for name in each.names} | set(AWS)


def absent(process: str, names: Iterable[str], **given: Any) -> set[str]:
    """Return the settings that a process requires and these variables do not give."""
    there = set(names)
    return {each.name for each in settings_of(process, **given) if each.required and not each.names & there}


def _setting(kind: type[PlazaSettings], each: Spelling, required: set[str]) -> Setting:
    info = kind.model_fields[each.name]
    file, former, platform = (name.upper() if name else None for name in (each.file, each.former, each.platform))
    return Setting(
        each.name.upper(),
        file,
        former,
        platform,
        required=each.name in required or each.file in required,
        secret=each.secret,
        default=None if info.is_required() or info.default is None else written(info.default),
        example=str(info.examples[0]) if info.examples else "",
        file_example=each.file_example,
        description=info.description or "",
    )


def _missing(kind: type[BaseSettings], given: dict[str, Any]) -> set[str]:
    """Return the fields that the settings miss when nothing else is given, whatever this environment has."""

    class Alone(kind):  # type: ignore[misc,valid-type]
        """Settings that read no variables."""

        @classmethod
        def settings_customise_sources(cls, _: Any, init_settings: Any, **__: Any) -> Any:
            """Read what is given alone."""
            return (init_settings,)

    try:
        Alone(**given)
    except ValidationError as error:
        return {str(each["loc"][0]) for each in error.errors() if each["type"] == "missing"}
    return set()


def written(default: Any) -> str:
    """Return a default as it is written in the environment."""
    match default:
        case Rate():
            return f"{default.quota}/{default.window_s}"
        case SecretStr():
            return default.get_secret_value()
        case float():
            return f"{default:g}"
        case tuple() | list():
            return ",".join(map(written, default))
    return str(default).removesuffix("/") if "://" in str(default) else str(default)


def example(process: str) -> str:
    """Return the `.env.example` of a process: what it needs, and every other setting with its default behind a #."""
    lines = [f"# Settings of `python -m {process}`; copy to {process}/.env. The environment wins over this file.", ""]
    return "\n".join([*lines, *(line for each in settings_of(process) for line in _lines(each))]) + "\n"


def _lines(each: Setting) -> Iterator[str]:
    yield from (f"# {line}" for line in wrap(each.description, 118, break_on_hyphens=False, break_long_words=False))
    by_file = each.required and each.file_example
    yield f"{'' if each.required and not by_file else '#'}{each.name}={each.default or each.example}"
    if each.file:
        yield f"{'' if by_file else '#'}{each.file}={each.file_example}"


def examples() -> dict[Path, str]:
    """Return the generated examples by their path in the repository."""
    return {Path(process) / ".env.example": example(process) for process in PROCESSES}
