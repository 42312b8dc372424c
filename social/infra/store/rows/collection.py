"""The name of a collection, which knows the type of its documents."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

Row = TypeVar("Row", bound=Mapping[str, Any])

Document = dict[str, Any]  # of no particular collection: a filter, a statement, an answer of the store


class Collection(str, Generic[Row]):
    """The name of a collection; to the type checker also the type of its documents, `Row`."""
