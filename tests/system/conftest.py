"""Systems as operators have them: nothing is made beforehand."""

import pytest


@pytest.fixture
def mongo_database(bare_database: str) -> str:
    """Return the name of a database for this test that is not there yet."""
    return bare_database
