"""Systems as operators have them: nothing was made beforehand."""

import pytest


@pytest.fixture
def mongo_database(bare_database: str) -> str:
    """The name of a database of one's own that is not there yet."""
    return bare_database
