"""The command `bounce`: what a mail server pipes to us."""

import os
import sys
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import typer

from heliograph.cli import Program, with_service

if TYPE_CHECKING:
    from heliograph.settings import ServiceSettings
    from services.notifier.mail.reports import Reported
    from services.notifier.repositories.bounces import Outcome
    from services.notifier.service import Notifier

G = TypeVar("G", bound="ServiceSettings")

LARGEST = 1 << 20
"""Bytes that are looked at: reports stand before the email that they return."""

_COUNTED = {
    "counted": "{verdict} bounce counted",
    "suppressed": "{verdict} bounce counted, and the address is suppressed",
    "known": "counted before",
    "foreign": "nothing counted: no email with that Message-ID was sent to this recipient",
}


def add_bounce(app: typer.Typer, program: "Program[G, Notifier]") -> None:
    """Add the command `bounce`."""

    @app.command()
    def bounce() -> None:
        """Count what came back: a delivery report or a complaint on standard input.

        For a mail server to pipe to. Exits with 0 for whatever it has read, or with 75
        (EX_TEMPFAIL), so that the mail server keeps the mail and tries again.
        """
        try:
            _count(program, _read(sys.stdin.buffer))
        except SystemExit as end:
            # Settings, a schema, a database: all may be mended before the mail is too old.
            raise typer.Exit(os.EX_TEMPFAIL) from end
        except Exception as error:
            from services.notifier.mail.errors import one_line

            typer.echo(f"error: {one_line(repr(error))}", err=True)
            raise typer.Exit(os.EX_TEMPFAIL) from error


def _count(program: "Program[G, Notifier]", mail: bytes) -> None:
    from services.notifier.mail.reports import NoReportError, read_report

    try:
        found = read_report(mail)
    except NoReportError as error:
        typer.echo(f"nothing counted: {error}", err=True)
        return
    if not found:
        typer.echo("nothing counted: it tells of no failure", err=True)
        return

    async def main(service: "Notifier") -> None:
        typer.echo("; ".join([await _record(service, each) for each in found]), err=True)

    with_service(program, main)


def _read(stdin: BinaryIO) -> bytes:
    mail = stdin.read(LARGEST)
    # To the end: a mail server may take a pipe that breaks for a failure.
    while stdin.read(LARGEST):
        pass
    return mail


async def _record(service: "Notifier", reported: "Reported") -> str:
    """Count what is said of one recipient, by the first of its addresses that is ours."""
    from services.notifier.repositories.bounces import BounceRepository

    outcome: Outcome = "foreign"
    email = reported.addresses[0]
    async with service.database.transaction() as session:
        for email in reported.addresses:
            outcome = await BounceRepository(session).record(
                email=email,
                kind=reported.verdict,
                message_id=reported.message_id,
                detail=reported.detail,
            )
            if outcome != "foreign":
                break
    return f"{email}: {_COUNTED[outcome].format(verdict=reported.verdict)}"
