"""Time that passes at once: all moments that a database holds move into the past."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Interval, func, literal, update

from heliograph.database import Database, UtcDateTime
from services.notifier.models import Base


async def pass_time(database: Database, seconds: int) -> None:
    """Let so many seconds pass for all that the notifier has stored."""

    def earlier(moment: Column[Any]) -> ColumnElement[Any]:
        if not database.is_sqlite:
            return moment - literal(timedelta(seconds=seconds), Interval())
        # As `database_now` writes it there.
        text = ("%Y-%m-%d %H:%M:%f000", moment, f"-{seconds} seconds")
        return func.strftime(*text, type_=UtcDateTime())

    async with database.transaction() as session:
        connection = await session.connection()
        for table in Base.metadata.sorted_tables:
            moments = [each for each in table.c if isinstance(each.type, UtcDateTime)]
            if moments:
                values = {each.name: earlier(each) for each in moments}
                await connection.execute(update(table).values(values))
