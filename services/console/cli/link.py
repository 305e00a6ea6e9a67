"""The command `link`: a way in for whoever may run a program on the console's database."""

import getpass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from heliograph.cli import Program, with_service

if TYPE_CHECKING:
    from heliograph.settings import ServiceSettings
    from services.console.service import Console

G = TypeVar("G", bound="ServiceSettings")


class LinkScope(StrEnum):
    """What a link may sign in for."""

    admin = "console:admin"
    read = "console:read"


def add_link(app: typer.Typer, program: "Program[G, Console]") -> None:
    """Add the command `link`."""

    @app.command()
    def link(
        subject: Annotated[
            str | None, typer.Option(help="Whom it signs in; you if you do not say.")
        ] = None,
        scope: Annotated[LinkScope, typer.Option(help="What they may do.")] = LinkScope.admin,
    ) -> None:
        """Print a link that signs in once, within an hour."""

        async def main(console: "Console") -> None:
            typer.echo(await console.sign_in_link(subject or _user(), scope.value))

        with_service(program, main)


def _user() -> str:
    """Who runs the command; `developer` where the user has no name, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "developer"
