"""The commands for events that wait for the relay. They need no bus."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from heliograph.cli.output import AsJson, print_json, print_table
from heliograph.cli.program import Program, typer_app, with_service

if TYPE_CHECKING:
    from heliograph.outbox import Outbox
    from heliograph.service import Service
    from heliograph.settings import ServiceSettings

G = TypeVar("G", bound="ServiceSettings")
S = TypeVar("S", bound="Service")


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
                print_json({"rows": rows, "oldest_seconds": round(oldest, 3)})
            else:
                print_table(["waiting", "oldest"], [[rows, f"{oldest:.1f} s" if rows else "-"]])

        with_service(program, main)

    return app
