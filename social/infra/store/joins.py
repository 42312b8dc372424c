"""Joins: documents read together with others that belong to them, in one round trip."""

from typing import Any

from social.infra.store.rows import Collection, Document


def join(
    collection: Collection[Any], field: str, *stages: Document, key: str = "_id", into: str | None = None
) -> Document:
    """Return a stage that puts the documents whose `key` is in a field, or among its values, into a field as a list.

    The target is `field` itself, unless `into` names another one; `stages` process these documents further.
    """
    found: dict[str, Any] = {"from": collection, "localField": field, "foreignField": key, "as": into or field}
    return {"$lookup": {**found, "pipeline": list(stages)} if stages else found}
