"""The commands for events behind the bus, what waits and what is set aside. They need no bus."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Protocol, TypeVar

import typer

from heliograph.cli.output import AsJson, print_json, print_message, print_table
from heliograph.cli.program import Program, typer_app, with_service

if TYPE_CHECKING:
    from heliograph.inbox import Parked
    from heliograph.service import Service
    from heliograph.settings import ServiceSettings

G = TypeVar("G", bound="ServiceSettings")
S = TypeVar("S", bound="Service")

LARGEST_ID = 2**63 - 1


class Shows(Protocol):
    """Parked rows, as far as it matters whether there is one."""

    async def show(self, id: int) -> object | None:
        """One parked event, or None if there is none under that id."""


Ids = Annotated[
    list[int] | None, typer.Argument(metavar="ID", min=1, max=LARGEST_ID, show_default=False)
]
SomeIds = Annotated[list[int], typer.Argument(metavar="ID", min=1, max=LARGEST_ID)]
Limit = Annotated[int, typer.Option(help="Most events to list.", min=1, max=1000)]
After = Annotated[int, typer.Option(help="List those behind this id.", min=0, max=LARGEST_ID)]
OneId = Annotated[int, typer.Argument(metavar="ID", min=1, max=LARGEST_ID)]


def inbox_commands(program: Program[G, S]) -> typer.Typer:
    """Build `inbox status`, `parked`, `show`, `redrive` and `discard`."""
    app = typer_app("Look at events behind the bus; redrive or discard parked ones.")

    @app.command()
    def status(*, as_json: AsJson = False) -> None:
        """Count the events of each receiver by state.

        In a large inbox on PostgreSQL those that are done or discarded are estimated.
        """

        async def main(service: S) -> None:
            counts = sorted((await service.inbox.status()).items())
            if as_json:
                print_json(
                    [{"receiver": who, "state": state, "rows": n} for (who, state), n in counts]
                )
            else:
                rows = [[who, state, n] for (who, state), n in counts]
                print_table(["receiver", "state", "events"], rows)

        with_service(program, main)

    _add_looking(app, program)
    _add_deciding(app, program)
    return app


def _add_looking(app: typer.Typer, program: Program[G, S]) -> None:
    @app.command()
    def parked(limit: Limit = 50, after: After = 0, *, as_json: AsJson = False) -> None:
        """List parked events, the oldest first."""

        async def main(service: S) -> None:
            found = await service.inbox.parked.page(limit=limit, after=after)
            if as_json:
                print_json([asdict(each) for each in found])
            else:
                _print_list(found)

        with_service(program, main)

    @app.command()
    def show(id: OneId, *, as_json: AsJson = False) -> None:
        """Show one parked event in full."""

        async def main(service: S) -> None:
            found = await service.inbox.parked.show(id)
            if found is None:
                raise nothing_parked([id])
            if as_json:
                print_json(asdict(found))
            else:
                failures = [f"{each.at:%Y-%m-%d %H:%M:%S} {each.reason}" for each in found.failures]
                print_message(asdict(found) | {"failures": "\n".join(failures) or "-"})

        with_service(program, main)


def _add_deciding(app: typer.Typer, program: Program[G, S]) -> None:
    @app.command()
    def redrive(
        ids: Ids = None,
        *,
        all: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    ) -> None:
        """Let parked events run again, before the later ones of their subject."""
        chosen = chosen_of(ids, all=all)

        async def main(service: S) -> None:
            from heliograph.inbox import NotWhole

            try:
                count = await release(service.inbox.parked, chosen, service.inbox.parked.redrive)
            except NotWhole as error:
                typer.echo(str(error), err=True)
                raise typer.Exit(1) from error
            typer.echo(f"{counted(count)} redriven")

        with_service(program, main)

    @app.command()
    def discard(ids: SomeIds) -> None:
        """Give parked events up, so that the later ones of their subject run."""

        async def main(service: S) -> None:
            count = await release(service.inbox.parked, ids, service.inbox.parked.discard)
            typer.echo(f"{counted(count)} discarded")

        with_service(program, main)


def chosen_of(ids: Sequence[int] | None, *, all: bool) -> Sequence[int] | None:
    """The ids that were given; None for all. One of the two must be given."""
    if bool(ids) == all:
        raise typer.BadParameter("give the ids of parked events, or --all")
    return ids or None


async def release(
    parked: Shows,
    ids: Sequence[int] | None,
    release: Callable[[Sequence[int] | None], Awaitable[int]],
) -> int:
    """Redrive or discard, and name the ids under which nothing is parked."""
    if ids is None:
        return await release(None)
    asked = dict.fromkeys(ids)
    known = [each for each in asked if await parked.show(each) is not None]
    if unknown := [each for each in asked if each not in known]:
        nothing = nothing_parked(unknown)
        if not known:
            raise nothing
    return await release(known)


def nothing_parked(ids: Sequence[int]) -> typer.Exit:
    """Name ids under which nothing is parked; returns what ends the command."""
    named = ", ".join(map(str, ids))
    typer.echo(f"no event is parked under {named}", err=True)
    return typer.Exit(1)


def counted(count: int) -> str:
    """Say how many events."""
    return f"{count} event" if count == 1 else f"{count} events"


def _print_list(found: Sequence["Parked"]) -> None:
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
    print_table(columns, rows)
