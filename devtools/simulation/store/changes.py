"""Changes of documents: the operators of updates that the product uses, and the pipeline that takes a lease."""

import copy
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from devtools.simulation.store.matching import MISSING, Document, matches
from social.infra import clock


def changed(document: Document, change: Any, now: datetime, *, inserted: bool = False) -> Document:
    """Return a changed copy of a document: by operators, by a pipeline, or replaced as a whole."""
    if isinstance(change, list):
        return _by_pipeline(document, change, now)
    if not any(name.startswith("$") for name in change):
        return {"_id": document["_id"], **change}
    result = copy.deepcopy(document)
    for operator, fields in change.items():
        if operator == "$setOnInsert" and not inserted:
            continue
        apply = OPERATORS.get(operator)
        if apply is None:
            raise NotImplementedError(f"the simulated store does not know {operator}")
        for path, operand in fields.items():
            owner, name = _owner(result, path)
            apply(owner, name, operand, now)
    return result


def _owner(document: Document, path: str) -> tuple[Document, str]:
    """Return the document that holds the last name of a path, which is made where it is missing."""
    *names, last = path.split(".")
    for name in names:
        document = document.setdefault(name, {})
    return document, last


def _set(owner: Document, name: str, value: Any, now: datetime) -> None:
    owner[name] = value


def _unset(owner: Document, name: str, _: Any, now: datetime) -> None:
    owner.pop(name, None)


def _inc(owner: Document, name: str, by: float, now: datetime) -> None:
    owner[name] = owner.get(name, 0) + by


def _max(owner: Document, name: str, value: Any, now: datetime) -> None:
    if name not in owner or owner[name] is None or owner[name] < value:
        owner[name] = value


def _min(owner: Document, name: str, value: Any, now: datetime) -> None:
    if name not in owner or owner[name] is None or owner[name] > value:
        owner[name] = value


def _current_date(owner: Document, name: str, _: Any, now: datetime) -> None:
    owner[name] = now


def _each(operand: Any) -> Sequence[Any]:
    return operand["$each"] if isinstance(operand, Mapping) and "$each" in operand else [operand]


def _push(owner: Document, name: str, operand: Any, now: datetime) -> None:
    kept = [*owner.get(name, ()), *_each(operand)]
    if isinstance(operand, Mapping) and "$slice" in operand:
        most = operand["$slice"]
        kept = kept[most:] if most < 0 else kept[:most]
    owner[name] = kept


def _add_to_set(owner: Document, name: str, operand: Any, now: datetime) -> None:
    kept = list(owner.get(name, ()))
    owner[name] = kept + [each for each in _each(operand) if each not in kept]


def _pull(owner: Document, name: str, operand: Any, now: datetime) -> None:
    def goes(each: Any) -> bool:
        return matches(each, operand) if isinstance(operand, Mapping) else bool(each == operand)

    if name in owner:
        owner[name] = [each for each in owner[name] if not goes(each)]


OPERATORS: dict[str, Callable[[Document, str, Any, datetime], None]] = {
    "$set": _set,
    "$setOnInsert": _set,
    "$unset": _unset,
    "$inc": _inc,
    "$max": _max,
    "$min": _min,
    "$currentDate": _current_date,
    "$push": _push,
    "$addToSet": _add_to_set,
    "$pull": _pull,
}


def _by_pipeline(document: Document, stages: Sequence[Mapping[str, Any]], now: datetime) -> Document:
    result = copy.deepcopy(document)
    for stage in stages:
        ((operator, operand),) = stage.items()
        if operator == "$set":
            result |= {name: evaluated(value, result, now) for name, value in operand.items()}
            result = {name: value for name, value in result.items() if value is not MISSING}
        elif operator == "$unset":
            result.pop(operand, None)
        else:
            raise NotImplementedError(f"the simulated store does not know the stage {operator}")
    return result


def evaluated(expression: Any, document: Document, now: datetime) -> Any:
    """Return the value of an expression of a pipeline."""
    if isinstance(expression, str) and expression.startswith("$"):
        return now if expression == "$$NOW" else document.get(expression[1:], MISSING)
    if not isinstance(expression, Mapping):
        return expression
    ((operator, operand),) = expression.items()
    function = FUNCTIONS.get(operator)
    if function is None:
        raise NotImplementedError(f"the simulated store does not know {operator}")
    operands = operand if isinstance(operand, list) else [operand]
    return function(*(evaluated(each, document, now) for each in operands))


def _or_else(value: Any, other: Any) -> Any:
    return other if value is None or value is MISSING else value


def _to_long(value: Any) -> Any:
    if value is None or value is MISSING:
        return None
    return clock.millis(value) if isinstance(value, datetime) else int(value)


def _add(first: Any, *others: Any) -> Any:
    if isinstance(first, datetime):
        return first + timedelta(milliseconds=sum(others))
    return first + sum(others)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "$or": lambda *each: any(each),
    "$lt": lambda a, b: a < b,
    "$gt": lambda a, b: a > b,
    "$eq": lambda a, b: a == b,
    "$add": _add,
    "$ifNull": _or_else,
    "$toLong": _to_long,
    "$cond": lambda holds, then, other: then if holds else other,
}
