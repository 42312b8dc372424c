"""Conditions of queries on documents: the operators that the product uses. Any other is an error, never a guess."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

Document = dict[str, Any]
Where = Mapping[str, Any]

MISSING: Any = object()


def matches(document: Where, where: Where) -> bool:
    """Return whether a document meets every condition."""
    return all(_meets(document, name, condition) for name, condition in where.items())


def _meets(document: Where, name: str, condition: Any) -> bool:
    if name == "$or":
        return any(matches(document, each) for each in condition)
    if name == "$and":
        return all(matches(document, each) for each in condition)
    if name.startswith("$"):
        raise NotImplementedError(f"the simulated store does not know {name}")
    found = [*values(document, name)]
    if _is_operators(condition):
        return all(_holds(found, operator, operand) for operator, operand in condition.items())
    return _equals(found, condition)


def _is_operators(condition: Any) -> bool:
    return isinstance(condition, Mapping) and bool(condition) and next(iter(condition)).startswith("$")


def values(document: Any, path: str) -> Iterator[Any]:
    """Yield the value at a path, and after an array its elements; MISSING where there is none."""
    name, _, rest = path.partition(".")
    if isinstance(document, list):
        for each in document:
            if isinstance(each, Mapping):
                yield from values(each, path)
        return
    value = document.get(name, MISSING) if isinstance(document, Mapping) else MISSING
    if rest and value is not MISSING:
        yield from values(value, rest)
        return
    yield value
    if isinstance(value, list):
        yield from value


def _equals(found: Sequence[Any], wanted: Any) -> bool:
    if wanted is None:
        return not found or any(each is None or each is MISSING for each in found)
    return any(type_of(each) == type_of(wanted) and each == wanted for each in found)


def type_of(value: Any) -> str:
    """Return the bracket of types in which values are compared with each other."""
    if isinstance(value, bool):
        return "bool"
    for kind, name in ((int | float, "number"), (str, "string"), (datetime, "date"), (bytes, "binary")):
        if isinstance(value, kind):
            return name
    if value is None or value is MISSING:
        return "null"
    return "array" if isinstance(value, list) else "object"


def _compares(found: Sequence[Any], bound: Any, holds: Callable[[Any, Any], bool]) -> bool:
    kind = type_of(bound)
    return any(each is not MISSING and type_of(each) == kind and holds(each, bound) for each in found)


def _holds(found: Sequence[Any], operator: str, operand: Any) -> bool:
    known = OPERATORS.get(operator)
    if known is None:
        raise NotImplementedError(f"the simulated store does not know {operator}")
    return known(found, operand)


def _in(found: Sequence[Any], wanted: Sequence[Any]) -> bool:
    return any(_equals(found, each) for each in wanted)


OPERATORS: dict[str, Callable[[Sequence[Any], Any], bool]] = {
    "$eq": _equals,
    "$ne": lambda found, wanted: not _equals(found, wanted),
    "$in": _in,
    "$nin": lambda found, wanted: not _in(found, wanted),
    "$gt": lambda found, bound: _compares(found, bound, lambda a, b: a > b),
    "$gte": lambda found, bound: _compares(found, bound, lambda a, b: a >= b),
    "$lt": lambda found, bound: _compares(found, bound, lambda a, b: a < b),
    "$lte": lambda found, bound: _compares(found, bound, lambda a, b: a <= b),
    "$exists": lambda found, wanted: any(each is not MISSING for each in found) == bool(wanted),
    "$type": lambda found, wanted: any(each is not MISSING and type_of(each) == wanted for each in found),
    "$not": lambda found, condition: not all(_holds(found, each, operand) for each, operand in condition.items()),
    "$elemMatch": lambda found, condition: any(
        isinstance(each, Mapping) and matches(each, condition) for each in found
    ),
}


def order_of(value: Any) -> tuple[int, Any]:
    """Return a key by which values of one field are sorted; what is missing comes first."""
    if value is None or value is MISSING:
        return (0, 0)
    if isinstance(value, list):
        return min(map(order_of, value), default=(0, 0))
    return (1, value)


def in_order(documents: list[Document], keys: Sequence[tuple[str, int]]) -> list[Document]:
    """Sort documents by several keys, each ascending (1) or descending (-1)."""
    for name, way in reversed(keys):
        documents.sort(key=lambda each, name=name: order_of(next(values(each, name))), reverse=way < 0)  # type: ignore[misc]
    return documents
