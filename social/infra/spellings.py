"""The environment variables that a setting may be given in: its own name, a file that holds it, a former name, PORT."""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_args

from dotenv import dotenv_values
from pydantic import BaseModel
from pydantic.fields import FieldInfo

M = TypeVar("M")

SHORTEST_SECRET = 32  # characters; the names of files and folders have fewer


@dataclass(frozen=True)
class OrFile:
    """Marks a setting that a file may hold instead, which NAME_FILE names, or the variable that is `named` here."""

    named: str = ""
    secret: bool = True
    example: str = ""


@dataclass(frozen=True)
class Formerly:
    """Marks a setting whose former name still works."""

    name: str


@dataclass(frozen=True)
class OrPlatform:
    """Marks a port: where its own variable is not given, the variable counts that platforms set."""

    name: str = "port"


class Spelling(NamedTuple):
    """The variables of one setting, in small letters."""

    name: str
    file: str | None
    former: str | None
    platform: str | None
    secret: bool
    file_example: str = ""

    @property
    def all(self) -> list[str]:
        """The variables of which one may be given."""
        return [name for name in (self.name, self.former, self.file) if name]


@dataclass
class Given:
    """The values that other variables than the settings' own give, with the name of each, and which are wrong."""

    values: dict[str, Any] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)

    def take(self, name: str, given_as: str, value: object) -> None:
        """Use this value, which that variable gave."""
        self.values[name], self.names[name] = value, given_as


def spellings(kind: type[BaseModel]) -> list[Spelling]:
    """Return the variables of each setting of these."""
    return [_spelling(name, info) for name, info in kind.model_fields.items()]


def others(kind: type[BaseModel], name: str) -> list[str]:
    """Return the value or the file that may be given instead of this variable."""
    pairs = [(each.name, each.file) for each in spellings(kind) if each.file]
    return [file if name == value else value for value, file in pairs if name in (value, file)]


def _spelling(name: str, info: FieldInfo) -> Spelling:
    file, former, platform = _marker(info, OrFile), _marker(info, Formerly), _marker(info, OrPlatform)
    return Spelling(
        name,
        (file.named or f"{name}_file") if file else None,
        former.name if former else None,
        platform.name if platform else None,
        file is not None and file.secret,
        file.example if file else "",
    )


def _marker(info: FieldInfo, kind: type[M]) -> M | None:
    """Return the marker of this kind, also where it stands within the type: `Annotated[str, marker] | None`."""
    return next((each for each in (*info.metadata, *_within(info.annotation)) if isinstance(each, kind)), None)


def _within(annotation: object) -> Iterator[object]:
    yield from getattr(annotation, "__metadata__", ())
    for part in get_args(annotation):
        yield from _within(part)


def layers(env_file: str | Path) -> list[Mapping[str, str]]:
    """Return the variables that are not empty, of the environment and then of the file. Raises OSError, ValueError."""
    file = dotenv_values(env_file, encoding="utf-8") if Path(env_file).is_file() else {}
    return [{name.lower(): value for name, value in each.items() if value} for each in (os.environ, file)]


def given(kind: type[BaseModel], env_file: str | Path, *, without: Collection[str] = ()) -> Given:
    """Return what other variables than their own give for these settings, `without` some.

    The first layer that has any variable of a setting decides: the environment wins over the file, however they spell
    it. Raises OSError or ValueError when the file cannot be read.
    """
    found, variables = Given(), layers(env_file)
    for each in spellings(kind):
        if each.name in without:
            continue
        for layer in variables:
            if there := [name for name in each.all if name in layer]:
                _resolve(each, there, layer, found, watched=each.file in kind.model_fields)
                break
        else:
            layer = next((layer for layer in variables if each.platform in layer), {})
            if each.platform and layer:
                found.take(each.name, each.platform, layer[each.platform])
    return found


def _resolve(each: Spelling, there: list[str], layer: Mapping[str, str], found: Given, *, watched: bool) -> None:
    """Take a setting from the variables of it that are `there`; a `watched` file is left to who watches it."""
    name, *others = there
    if each.file in there and others:
        found.wrong[each.name] = f"{name.upper()} and {each.file.upper()} are both given: leave one of them out"
    elif others and layer[name] != layer[others[0]]:
        former = others[0].upper()
        found.wrong[each.name] = f"{name.upper()} and {former} are both given and differ: leave {former} out"
    elif name == each.former:
        found.take(each.name, name, layer[name])
    elif name == each.file and watched:
        found.values[each.name] = None  # where the weaker layer gives it
    elif name == each.file:
        _read(each.name, name, Path(layer[name]), found)
    if watched and each.file and each.file not in there:
        found.values[each.file] = None


def shown(path: Path) -> str:
    """Return the path of a secret's file as errors may show it: where the secret itself was given, it is not shown."""
    is_value = re.search(rf"\s|:/|[^/]{{{SHORTEST_SECRET},}}", str(path))
    return "a value that is no path (leave _FILE out to give it as a value)" if is_value else str(path)


def _read(setting: str, name: str, path: Path, found: Given) -> None:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        found.wrong[setting] = f"{name.upper()}: cannot use {shown(path)}: {error.strerror}"
        return
    except ValueError:
        found.wrong[setting] = f"{name.upper()}: cannot use {shown(path)}: it is no text in UTF-8"
        return
    if text:
        found.take(setting, name, text)
    else:
        found.wrong[setting] = f"{name.upper()}: {path} is empty"


def former_names(kind: type[BaseModel], env_file: str | Path) -> dict[str, str]:
    """Return the former names that are in use, each with the name that it has now. Raises OSError, ValueError."""
    variables = layers(env_file)
    return {
        each.former.upper(): each.name.upper()
        for each in spellings(kind)
        if each.former and any(each.former in layer for layer in variables)
    }
