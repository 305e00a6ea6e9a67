"""The commands for what waits or is set aside: `inbox` and `outbox`. They need no bus."""

import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from heliograph.cli.program import Program, typer_app, with_service
from heliograph.settings import ServiceSettings

if TYPE_CHECKING:
    from rich.table import Table

    from heliograph.inbox.parked import Parked, ParkedRows
    from heliograph.outbox.outbox import Outbox
    from heliograph.service.service import Service

G = TypeVar("G", bound=ServiceSettings)
S = TypeVar("S", bound="Service")

LARGEST_ID = 2**63 - 1
WIDE = 200
"""Columns of a table that is not shown on a terminal, so that nothing is cut."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Ids = Annotated[
    list[int] | None, typer.Argument(metavar="ID", min=1, max=LARGEST_ID, show_default=False)
]
SomeIds = Annotated[list[int], typer.Argument(metavar="ID", min=1, max=LARGEST_ID)]
OneId = Annotated[int, typer.Argument(metavar="ID", min=1, max=LARGEST_ID)]


def outbox_commands(program: Program[G, S], outbox: "Callable[[S], Outbox]") -> typer.Typer:
    """Build `outbox status` for a service that announces."""
    app = typer_app("Look at the events that wait for the relay.")

    @app.callback()
    def group() -> None:
        """Without it a single command would take the group's place."""

    @app.command()
    def status(*, as_json: AsJson = False) -> None:
        """Count the events that wait, and tell the age of the oldest."""

        async def main(service: S) -> None:
            rows, oldest = await outbox(service).status()
            if as_json:
                _print_json({"rows": rows, "oldest_seconds": round(oldest, 3)})
            else:
                _print(_table(["waiting", "oldest"], [[rows, f"{oldest:.1f} s" if rows else "-"]]))

        with_service(program, main)

    return app


def inbox_commands(program: Program[G, S]) -> typer.Typer:
    """Build `inbox status`, `parked`, `show`, `redrive` and `discard`."""
    app = typer_app("Look at events behind the bus; redrive or discard parked ones.")

    @app.command()
    def status(*, as_json: AsJson = False) -> None:
        """Count the events of each receiver by state."""

        async def main(service: S) -> None:
            counts = sorted((await service.inbox.status()).items())
            if as_json:
                _print_json(
                    [{"receiver": who, "state": state, "rows": n} for (who, state), n in counts]
                )
            else:
                rows = [[who, state, n] for (who, state), n in counts]
                _print(_table(["receiver", "state", "events"], rows))

        with_service(program, main)

    _add_looking(app, program)
    _add_deciding(app, program)
    return app


def _add_looking(app: typer.Typer, program: Program[G, S]) -> None:
    @app.command()
    def parked(
        limit: Annotated[int, typer.Option(help="Most events to list.", min=1, max=1000)] = 50,
        after: Annotated[
            int, typer.Option(help="List those behind this id.", min=0, max=LARGEST_ID)
        ] = 0,
        *,
        as_json: AsJson = False,
    ) -> None:
        """List parked events, the oldest first."""

        async def main(service: S) -> None:
            found = await service.inbox.parked.page(limit=limit, after=after)
            if as_json:
                _print_json([asdict(each) for each in found])
            else:
                _print(_list(found))

        with_service(program, main)

    @app.command()
    def show(id: OneId, *, as_json: AsJson = False) -> None:
        """Show one parked event in full."""

        async def main(service: S) -> None:
            found = await service.inbox.parked.show(id)
            if found is None:
                raise _nothing_parked([id])
            if as_json:
                _print_json(asdict(found))
            else:
                _print_in_full(found)

        with_service(program, main)


def _add_deciding(app: typer.Typer, program: Program[G, S]) -> None:
    @app.command()
    def redrive(
        ids: Ids = None,
        *,
        all: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    ) -> None:
        """Let parked events run again, before the later ones of their subject."""
        chosen = _chosen(ids, all=all)

        async def main(service: S) -> None:
            count = await _release(service.inbox.parked, chosen, service.inbox.parked.redrive)
            typer.echo(f"{_events(count)} redriven")

        with_service(program, main)

    @app.command()
    def discard(ids: SomeIds) -> None:
        """Give parked events up, so that the later ones of their subject run."""

        async def main(service: S) -> None:
            count = await _release(service.inbox.parked, ids, service.inbox.parked.discard)
            typer.echo(f"{_events(count)} discarded")

        with_service(program, main)


def _chosen(ids: Sequence[int] | None, *, all: bool) -> Sequence[int] | None:
    if bool(ids) == all:
        raise typer.BadParameter("give the ids of parked events, or --all")
    return ids or None


async def _release(
    parked: "ParkedRows",
    ids: Sequence[int] | None,
    release: Callable[[Sequence[int] | None], Awaitable[int]],
) -> int:
    """Redrive or discard, and name the ids under which nothing is parked."""
    if ids is None:
        return await release(None)
    asked = dict.fromkeys(ids)
    known = [each for each in asked if await parked.show(each) is not None]
    if unknown := [each for each in asked if each not in known]:
        nothing = _nothing_parked(unknown)
        if not known:
            raise nothing
    return await release(known)


def _nothing_parked(ids: Sequence[int]) -> typer.Exit:
    named = ", ".join(map(str, ids))
    typer.echo(f"no event is parked under {named}", err=True)
    return typer.Exit(1)


def _events(count: int) -> str:
    return f"{count} event" if count == 1 else f"{count} events"


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_visible(cell)) for cell in row))
    return table


def _list(found: Sequence["Parked"]) -> "Table":
    columns = ["id", "receiver", "event", "subject", "attempts", "parked", "reason"]
    rows = [
        [
            each.id,
            each.receiver,
            each.routing_key,
            each.subject or "-",
            each.attempts,
            f"{each.parked_at:%Y-%m-%d %H:%M:%S}",
            each.reason,
        ]
        for each in found
    ]
    return _table(columns, rows)


def _print_in_full(parked: "Parked") -> None:
    fields = asdict(parked)
    headers, body = fields.pop("headers"), fields.pop("body")
    for name, value in fields.items():
        typer.echo(f"{name:<22} {_visible(value)}")
    for name, value in headers.items():
        typer.echo(f"{_visible(name):<22} {_visible(value)}")
    typer.echo(f"\n{_visible(body)}")


def _print(table: "Table") -> None:
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else WIDE).print(table)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, default=datetime.isoformat))


def _visible(value: object) -> str:
    """Text from elsewhere, without what would steer the terminal."""
    return "".join(
        each if each.isprintable() or each == "\n" else f"\\u{ord(each):04x}" for each in str(value)
    )
