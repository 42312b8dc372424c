"""Documents of pairs, by the ids of both: how a person stands to another, or what a person did to a post."""

from collections.abc import Awaitable, Iterable

from social.infra.store.rows import Collection, Row
from social.infra.store.transaction import Reader


def get_pairs(
    reader: Reader, collection: Collection[Row], pairs: Iterable[tuple[str, str]]
) -> Awaitable[dict[str, Row]]:
    """Begin to read the documents of these pairs; return those that exist, by id.

    A pair without one of the two, as that of a reader without a login, has no document and is not asked for.
    """
    return reader.get_many(collection, [one + other for one, other in dict.fromkeys(pairs) if one and other])
