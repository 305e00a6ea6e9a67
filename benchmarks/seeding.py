"""Products in the tables of a catalog, ours or Django's: the same ones, by SQL in `seeds/`."""

from pathlib import Path
from typing import Literal

import asyncpg

FOLDER = Path(__file__).with_name("seeds")

SERIES = 50
"""Products whose names have the same word, `series00001` and so on."""

Tables = Literal["catalog", "django"]
_PRODUCT = {"catalog": "product", "django": "bench_product"}


async def seed(database_url: str, tables: Tables, count: int, *, dressed: bool) -> list[str]:
    """Leave exactly `count` products; returns their ids.

    `dressed` ones have two images and two categories each.
    """
    # No deadline: on a slow machine a statement takes longer than a service would let it.
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        await connection.execute((FOLDER / f"{tables}.sql").read_text().format(count=count))
        if dressed:
            await connection.execute((FOLDER / f"{tables}_dressing.sql").read_text())
        # As autovacuum does within a minute: without it PostgreSQL does not know the tables.
        await connection.execute("VACUUM ANALYZE")
        rows = await connection.fetch(f"SELECT id FROM {_PRODUCT[tables]}")  # noqa: S608 - ours
    finally:
        await connection.close()
    return [str(row["id"]) for row in rows]
