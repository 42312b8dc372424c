"""Whether stored documents are what `social/infra/store/rows/` says of them."""

import enum
import types
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints, is_typeddict

from social.infra.store import rows

# By collection all that may be in it: accounts stand beside the tombstones of others.
KINDS: dict[str, list[type]] = {}
for _module in (rows.people, rows.posts, rows.feeds, rows.notifications, rows.operation):
    for _value in vars(_module).values():
        if isinstance(_value, rows.Collection):
            KINDS.setdefault(str(_value), []).append(_value.__orig_class__.__args__[0])


def wrong(collection: str, document: Mapping[str, Any]) -> list[str]:
    """Return what contradicts the type of a document, as `field: why`; none where it has one of the types."""
    found = [[*_wrong(document, kind, collection)] for kind in KINDS[collection]]
    return min(found, key=len)


def _wrong(value: object, kind: Any, at: str) -> Iterator[str]:
    if get_origin(kind) in (NotRequired, Required):
        kind = get_args(kind)[0]
    if is_typeddict(kind):
        yield from _wrong_fields(value, kind, at)
    elif get_origin(kind) is list:
        if not isinstance(value, list):
            yield f"{at}: {value!r} is no list"
            return
        for each in value:
            yield from _wrong(each, get_args(kind)[0], f"{at}[]")
    elif get_origin(kind) is dict:
        if not isinstance(value, dict):
            yield f"{at}: {value!r} is no mapping"
            return
        for name, each in value.items():
            yield from _wrong(each, get_args(kind)[1], f"{at}.{name}")
    elif get_origin(kind) in (Union, types.UnionType):
        if all([*_wrong(value, each, at)] for each in get_args(kind)):
            yield f"{at}: {value!r} is none of {kind}"
    elif not _is(value, kind):
        yield f"{at}: {value!r} is no {kind}"


def _wrong_fields(value: object, kind: Any, at: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{at}: {value!r} is no document"
        return
    hints = get_type_hints(kind, include_extras=True)
    yield from (f"{at}.{name}: is unknown" for name in value.keys() - hints.keys())
    for name, hint in hints.items():
        if name in value:
            yield from _wrong(value[name], hint, f"{at}.{name}")
        elif name in kind.__required_keys__:
            yield f"{at}.{name}: is missing"


def _is(value: object, kind: Any) -> bool:
    if kind is Any:
        return True
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return value in {each.value for each in kind}
    if kind is None or kind is type(None):
        return value is None
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))
