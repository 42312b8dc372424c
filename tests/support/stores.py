"""The document store of the tests: the embedded one in Python, or the one that STORE names: rs, a mongodb:// URL."""

import shutil
from collections.abc import Mapping
from functools import cache

import pytest

from devtools.cluster.settings import DocumentSettings
from embedded.store_programs import RUST
from social.infra.settings import StartError, load

needs_rust = pytest.mark.skipif(
    shutil.which(RUST) is None, reason=f"{RUST} is not on the PATH: docs/decisions/0026-stores.md says how to get it"
)


@cache
def chosen() -> DocumentSettings:
    """Return the store that STORE names; a run with a wrong STORE ends before its first test."""
    try:
        return load(DocumentSettings, "tests", mongo_url=None)
    except StartError as error:
        raise pytest.UsageError(str(error)) from None


def store_settings(module: str, settings: Mapping[str, object]) -> dict[str, object]:
    """Return the settings that let a whole system of a test run on the embedded store that STORE names."""
    names = {"embedded": "EMBEDDED_STORE", "devtools.cluster": "STORE"}
    if module not in names or "MONGO_URL" in settings or (store := chosen().embedded_store) == "py":
        return {}
    return {names[module]: store}
