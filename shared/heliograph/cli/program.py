"""What the commands of a service share: how the service is made, and how they look."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import typer

if TYPE_CHECKING:
    from heliograph.bus import Bus
    from heliograph.service import Service
    from heliograph.settings import ServiceSettings

G = TypeVar("G", bound="ServiceSettings")
S = TypeVar("S", bound="Service")
S_co = TypeVar("S_co", bound="Service", covariant=True)


@dataclass(frozen=True)
class Program(Generic[G, S_co]):
    """A service as its programs know it: how its settings are read and how it is made."""

    name: str
    settings: "Callable[[], type[G]]"
    """Gives their class; called by what reads them, so that `--help` need not load pydantic."""
    make: "Callable[[G, Bus], S_co]"
    peers: tuple[str, ...] = ()
    """Services whose scopes `token` gives too, for who shares one key among them."""

    def load(self) -> G:
        """Read the settings from the environment; raise `InvalidSetting`."""
        from heliograph.settings import load

        return load(self.settings(), os.environ)


def typer_app(help: str) -> typer.Typer:
    """An empty command line in the manner of all of ours."""
    return typer.Typer(
        help=help,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        # Plain help: rich takes longer to load than everything else that `--help` needs.
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def with_service(
    program: Program[G, S], work: Callable[[S], Awaitable[None]], *, current: bool = True
) -> None:
    """Run `work` on the service and end with it; its schema must be `current` unless told not."""
    from heliograph.logging import configure
    from heliograph.service import opened, run

    async def main() -> None:
        async with opened(program.make, program.load()) as service:
            if current:
                await service.schema.check(service.database)
            await work(service)

    configure("WARNING")
    run(main())
