"""What the commands of a service share: how the service is made, and how they look."""

import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from heliograph.bus import Bus
    from heliograph.service import Service
    from heliograph.settings import ServiceSettings

INTERRUPTED = 130
"""128 and the number of SIGINT, as shells count; typer's too."""

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


class CommandLine(typer.Typer):
    """A command line that ends the process; whatever stops a command is one line.

    Exits with 2 for a wrong use, with 1 for a failure, with 130 at Ctrl-C; quietly with 1 if
    nobody reads its output any more.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
            if getattr(sys, name) is None:
                # It was closed: the first socket would take its place.
                setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - stays open
        try:
            status = super().__call__(*args, standalone_mode=False, **kwargs)
        except typer.TyperException as error:
            message = error.format_message()
            # Several lines are the help, which is shown to who gives no arguments.
            sys.stderr.write(f"{message}\n" if "\n" in message else f"error: {message}\n")
            sys.exit(error.exit_code)
        except OSError as error:
            sys.stderr.write(f"error: {error}\n")
            sys.exit(1)
        if status == INTERRUPTED:
            sys.stderr.write("interrupted\n")
        sys.exit(status)


def typer_app(help: str) -> typer.Typer:
    """An empty command line in the manner of all of ours."""
    return CommandLine(
        help=help,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        # Plain help: rich takes longer to load than everything else that `--help` needs.
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def with_service(
    program: Program[G, S],
    work: Callable[[S], Awaitable[None]],
    *,
    current: bool = True,
    interrupted: str = "interrupted",
) -> None:
    """Run `work` on the service and end with it; its schema must be `current` unless told not.

    `interrupted` is what is said at Ctrl-C.
    """
    from heliograph.logging import configure
    from heliograph.service import opened, run
    from heliograph.settings import log_as

    async def main() -> None:
        settings = program.load()
        log_as(settings, otherwise="warning")
        async with opened(program.make, settings) as service:
            if current:
                await service.schema.check(service.database)
            await work(service)

    configure("warning")
    run(main(), interrupted=interrupted)
