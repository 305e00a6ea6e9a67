import asyncpg
import pytest

from heliograph import DatabaseUnavailable
from heliograph.database import unavailable


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.InternalClientError("cannot switch to state 15"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.CannotConnectNowError("the database system is starting up"),
    ],
    ids=type,
)
async def test_a_connection_that_ends_in_the_drivers_hands_is_a_database_that_is_away(
    error: Exception,
) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with unavailable():
            raise error


async def test_a_wrong_statement_is_no_database_that_is_away() -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        async with unavailable():
            raise asyncpg.UndefinedTableError('relation "nothing" does not exist')
