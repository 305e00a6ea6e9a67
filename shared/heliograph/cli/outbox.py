"""The commands for events on their way out: what waits, and what the broker refused.

They need no bus.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from heliograph.cli.inbox import (
    After,
    Ids,
    Limit,
    OneId,
    SomeIds,
    chosen_of,
    counted,
    nothing_parked,
    release,
)
from heliograph.cli.output import AsJson, print_json, print_message, print_table
from heliograph.cli.program import Program, typer_app, with_service

if TYPE_CHECKING:
    from heliograph.outbox import Outbox, Parked
    from heliograph.service import Service
    from heliograph.settings import ServiceSettings

G = TypeVar("G", bound="ServiceSettings")
S = TypeVar("S", bound="Service")


def outbox_commands(program: Program[G, S], outbox: "Callable[[S], Outbox]") -> typer.Typer:
    """Build `outbox status`, `parked`, `show`, `redrive` and `discard`."""
    app = typer_app("Look at events on their way out; redrive or discard parked ones.")

    @app.command()
    def status(*, as_json: AsJson = False) -> None:
        """Count the events that wait, and tell the age of the oldest."""

        async def main(service: S) -> None:
            rows, oldest = await outbox(service).status()
            parked, refused = await outbox(service).refusals()
            if as_json:
                counts = {"rows": rows, "oldest_seconds": round(oldest, 3)}
                print_json(counts | {"refused": refused, "parked": parked})
            else:
                age = f"{oldest:.1f} s" if rows else "-"
                columns = ["waiting", "oldest", "turned down so far", "parked"]
                print_table(columns, [[rows, age, refused, parked]])

        with_service(program, main)

    _add_looking(app, program, outbox)
    _add_deciding(app, program, outbox)
    return app


def _add_looking(app: typer.Typer, program: Program[G, S], outbox: "Callable[[S], Outbox]") -> None:
    @app.command()
    def parked(limit: Limit = 50, after: After = 0, *, as_json: AsJson = False) -> None:
        """List parked events, the oldest first."""

        async def main(service: S) -> None:
            found = await outbox(service).parked.page(limit=limit, after=after)
            if as_json:
                print_json([asdict(each) for each in found])
            else:
                _print_list(found)

        with_service(program, main)

    @app.command()
    def show(id: OneId, *, as_json: AsJson = False) -> None:
        """Show one parked event in full, but for a body that is huge."""

        async def main(service: S) -> None:
            found = await outbox(service).parked.show(id)
            if found is None:
                raise nothing_parked([id])
            if as_json:
                print_json(asdict(found))
            else:
                print_message(asdict(found))

        with_service(program, main)


def _add_deciding(
    app: typer.Typer, program: Program[G, S], outbox: "Callable[[S], Outbox]"
) -> None:
    @app.command()
    def redrive(
        ids: Ids = None,
        *,
        all: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    ) -> None:
        """Publish parked events again, before the later ones of their subject."""
        chosen = chosen_of(ids, all=all)

        async def main(service: S) -> None:
            rows = outbox(service).parked
            typer.echo(f"{counted(await release(rows, chosen, rows.redrive))} redriven")

        with_service(program, main)

    @app.command()
    def discard(ids: SomeIds) -> None:
        """Never publish parked events, so that the later ones of their subject go."""

        async def main(service: S) -> None:
            rows = outbox(service).parked
            typer.echo(f"{counted(await release(rows, ids, rows.discard))} discarded")

        with_service(program, main)


def _print_list(found: "Sequence[Parked]") -> None:
    columns = ["id", "event", "subject", "bytes", "attempts", "parked", "reason"]
    rows = [
        [
            each.id,
            each.routing_key,
            each.subject,
            each.bytes,
            each.attempts,
            f"{each.parked_at:%Y-%m-%d %H:%M:%S}",
            each.reason,
        ]
        for each in found
    ]
    print_table(columns, rows)
