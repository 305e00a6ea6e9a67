"""The console's programs: `python -m services.console`."""

from typing import TYPE_CHECKING

from services.starting import starting

with starting():
    from heliograph.cli import Program, command_line
    from services.console.cli.link import add_link

if TYPE_CHECKING:
    from heliograph.bus import Bus
    from services.console.service import Console
    from services.console.settings import ConsoleSettings


def _settings() -> "type[ConsoleSettings]":
    from services.console.settings import ConsoleSettings

    return ConsoleSettings


def _console(settings: "ConsoleSettings", bus: "Bus") -> "Console":
    from services.console.service import Console

    return Console(settings, bus)


program = Program("console", _settings, _console, peers=("catalog", "notifier"))
app = command_line(
    program,
    {"api": 8002, "work": 8022},
    {"work": "Hear the catalog, and keep what it announces."},
)
add_link(app, program)

if __name__ == "__main__":
    app(prog_name="python -m services.console")
