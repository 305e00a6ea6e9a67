"""The notifier's programs: `python -m services.notifier`."""

from typing import TYPE_CHECKING

from services.starting import starting

with starting():
    from heliograph.cli import Program, command_line
    from services.notifier.cli.bounce import add_bounce
    from services.notifier.cli.mail import mail_commands

if TYPE_CHECKING:
    from heliograph.bus import Bus
    from services.notifier.service import Notifier
    from services.notifier.settings import NotifierSettings


def _settings() -> "type[NotifierSettings]":
    from services.notifier.settings import NotifierSettings

    return NotifierSettings


def _notifier(settings: "NotifierSettings", bus: "Bus") -> "Notifier":
    from services.notifier.service import Notifier

    return Notifier(settings, bus)


program = Program("notifier", _settings, _notifier, peers=("catalog", "console"))
app = command_line(
    program,
    {"api": 8001, "work": 8021},
    {"work": "Hear the catalog: send emails, and purge deleted files."},
)
add_bounce(app, program)
app.add_typer(mail_commands(program), name="mail")

if __name__ == "__main__":
    app(prog_name="python -m services.notifier")
