"""Failures: why the last attempts at a row of the inbox came to nothing.

They stand in a column of the row, which only an attempt that failed writes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, ColumnElement, Table, literal
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

MOST_FAILURES = 8
"""So many are kept of a row, the last ones."""

FAILURES = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""The type of the column: an array of objects with `at` and `reason`, the oldest first."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that came to nothing: when that was known, and why."""

    at: datetime
    reason: str


class _Added(FunctionElement[Any]):
    """The failures of a row and one more, without those that are then too many."""

    type = FAILURES
    inherit_cache = True
    name = "added"


@compiles(_Added, "postgresql")
def _added_postgresql(element: _Added, compiler: Any, **options: Any) -> str:
    failures, at, reason = (compiler.process(each, **options) for each in element.clauses)
    more = f"jsonb_build_object('at', {at}, 'reason', {reason})"
    # What the path asks for before the first is not looked for.
    last = f"$[last - {MOST_FAILURES - 1} to last]"
    return f"jsonb_path_query_array(coalesce({failures}, '[]') || {more}, '{last}')"


@compiles(_Added, "sqlite")
def _added_sqlite(element: _Added, compiler: Any, **options: Any) -> str:
    failures, at, reason = (compiler.process(each, **options) for each in element.clauses)
    full = f"json_array_length({failures}) >= {MOST_FAILURES}"
    kept = f"CASE WHEN {full} THEN json_remove({failures}, '$[0]') ELSE {failures} END"
    more = f"json_object('at', {at}, 'reason', {reason})"
    return f"json_insert(coalesce({kept}, '[]'), '$[#]', {more})"


def with_failure(
    table: Table, at: ColumnElement[datetime], reason: ColumnElement[str] | str
) -> ColumnElement[Any]:
    """What a row's failures become when an attempt has failed."""
    return _Added(table.c.failures, at, literal(reason) if isinstance(reason, str) else reason)


def read_failures(stored: Sequence[Mapping[str, str]] | None) -> tuple[Failure, ...]:
    """The failures of a row, the oldest first."""
    return tuple(Failure(_moment(each["at"]), each["reason"]) for each in stored or ())


def _moment(stored: str) -> datetime:
    moment = datetime.fromisoformat(stored)
    # SQLite has no zones; PostgreSQL writes that of the session.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
