"""Aggregation pipelines: the stages that the product's workers use."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from devtools.simulation.store.matching import MISSING, Document, Where, in_order, matches, values

Find = Callable[[str, Where], list[Document]]


def aggregated(documents: list[Document], pipeline: Sequence[Mapping[str, Any]], find: Find) -> list[Document]:
    """Return what a pipeline makes of documents; `find` reads the other collections that it joins."""
    for stage in pipeline:
        ((name, operand),) = stage.items()
        apply = STAGES.get(name)
        if apply is None:
            raise NotImplementedError(f"the simulated store does not know the stage {name}")
        documents = apply(documents, operand, find)
    return documents


def _match(documents: list[Document], where: Where, find: Find) -> list[Document]:
    return [each for each in documents if matches(each, where)]


def _sort(documents: list[Document], keys: Mapping[str, int], find: Find) -> list[Document]:
    return in_order(documents, [*keys.items()])


def _project(documents: list[Document], fields: Mapping[str, Any], find: Find) -> list[Document]:
    return [
        {
            name: value
            for name, given in {"_id": 1, **fields}.items()
            if given and (value := _value(each, f"${name}" if given in (1, True) else given)) is not MISSING
        }
        for each in documents
    ]


def _set(documents: list[Document], fields: Mapping[str, Any], find: Find) -> list[Document]:
    return [each | {name: _value(each, given) for name, given in fields.items()} for each in documents]


def _value(document: Document, expression: Any) -> Any:
    if isinstance(expression, str) and expression.startswith("$"):
        return next(values(document, expression[1:]))
    if isinstance(expression, Mapping):
        ((operator, operands),) = expression.items()
        if operator != "$concat":
            raise NotImplementedError(f"the simulated store does not know {operator}")
        return "".join(_value(document, each) for each in operands)
    return expression


def _unwind(documents: list[Document], path: str, find: Find) -> list[Document]:
    def each_of(document: Document) -> Iterator[Document]:
        for value in document.get(path[1:], ()):
            yield {**document, path[1:]: value}

    return [single for each in documents for single in each_of(each)]


def _lookup(documents: list[Document], operand: Mapping[str, Any], find: Find) -> list[Document]:
    joined = []
    for each in documents:
        key = next(values(each, operand["localField"]))
        found = find(operand["from"], {operand["foreignField"]: None if key is MISSING else key})
        joined.append({**each, operand["as"]: aggregated(found, operand.get("pipeline", ()), find)})
    return joined


STAGES: dict[str, Callable[[list[Document], Any, Find], list[Document]]] = {
    "$match": _match,
    "$sort": _sort,
    "$skip": lambda documents, count, find: documents[count:],
    "$limit": lambda documents, count, find: documents[:count],
    "$project": _project,
    "$set": _set,
    "$unwind": _unwind,
    "$lookup": _lookup,
}
