import asyncpg
import pytest

from shared.errors import DatabaseUnavailable
from shared.unavailable import unavailable


async def test_a_connection_that_ends_as_a_statement_begins_is_a_database_that_is_away() -> None:
    with pytest.raises(DatabaseUnavailable):
        async with unavailable():
            raise asyncpg.InternalClientError("cannot switch to state 15")
