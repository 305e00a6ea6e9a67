"""The command line of a service, the same for each; needs the extra `service`."""

from heliograph.extras import extra

with extra("service"):
    from heliograph.cli.commands import command_line
    from heliograph.cli.outbox import outbox_commands
    from heliograph.cli.program import Program, typer_app, with_service

__all__ = [
    "Program",
    "command_line",
    "outbox_commands",
    "typer_app",
    "with_service",
]
