"""Clocks that jump: the database's, and the wall clock of one of our programs."""

import sys
import time
from datetime import datetime, tzinfo

import asyncpg

VARIABLE = "CHAOS_CLOCK_JUMPS"
"""Seconds, forward or back, by which a program's wall clock jumps soon after its start."""
JUMPS_AFTER_S = 2.0
OURS = ("heliograph.", "services.", "jwt.")

# Found before PostgreSQL's own by a session that begins after this. A table of one row, so
# that the jump is seen at once by every session.
_MOVABLE = """
CREATE SCHEMA chaos;
CREATE TABLE chaos.clock AS SELECT interval '0' AS ahead;
CREATE FUNCTION chaos.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS 'SELECT pg_catalog.clock_timestamp() + ahead FROM chaos.clock';
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET search_path = public, chaos, pg_catalog',
                   current_database());
END $$;
"""
_AHEAD = "UPDATE chaos.clock SET ahead = ahead + interval '1 hour'"


async def make_movable(database_url: str) -> None:
    """Let the clock by which sessions that begin later count their leases be moved."""
    await execute(database_url, _MOVABLE)


async def put_ahead(database_url: str) -> None:
    """Let a movable clock jump an hour ahead, for good."""
    await execute(database_url, _AHEAD)


async def execute(database_url: str, statements: str) -> None:
    """Run statements past all proxies."""
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""), timeout=10)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


def shift(seconds: float) -> None:
    """Let the wall clock of this process jump `JUMPS_AFTER_S` from now.

    Python's own: compiled libraries, such as the one that makes ids, read the system's.
    """
    real, moment = time.time, time.monotonic() + JUMPS_AFTER_S

    def wall() -> float:
        return real() + (seconds if time.monotonic() > moment else 0.0)

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # a datetime, not Shifted
            return datetime.fromtimestamp(wall(), tz)

    time.time = wall
    for name, module in [*sys.modules.items()]:
        if name.startswith(OURS) and getattr(module, "datetime", None) is datetime:
            module.datetime = Shifted  # type: ignore[attr-defined]  # it was looked up
