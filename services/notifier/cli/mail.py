"""The commands `mail check` and `mail test`."""

from email.utils import parseaddr
from typing import TYPE_CHECKING, Annotated

import typer

from heliograph.cli import Program, typer_app, with_service

if TYPE_CHECKING:
    from services.notifier.service import Notifier
    from services.notifier.settings import NotifierSettings

NOBODYS = "test"
"""In the place of the tokens in links: the pages behind them say that it is not known."""


def mail_commands(program: "Program[NotifierSettings, Notifier]") -> typer.Typer:
    """Build `mail check` and `mail test`."""
    app = typer_app("Try the mail server.")

    @app.command()
    def check() -> None:
        """Look at the mail server, the sender and the links in emails; sends nothing.

        Exits with 1 if emails would not go out, or not arrive.
        """
        from services.notifier.mail.checks import check_mail

        bad = False

        async def main(service: "Notifier") -> None:
            nonlocal bad
            settings = program.load()
            sender = parseaddr(settings.mail_from)[1]
            async for level, words in check_mail(service.mailer, sender, settings.public_url):
                typer.echo(f"{level:<8} {words}")
                bad = bad or level == "error"
            typer.echo(f"{'':<8} not looked at: SPF, DKIM and DMARC, see docs/email.md")

        with_service(program, main, current=False)
        if bad:
            raise typer.Exit(1)

    @app.command()
    def test(
        address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Whom to write to.")],
    ) -> None:
        """Send an email of each kind, about products that do not exist.

        Exits with 1 if one is not taken. The links in them change nothing.
        """
        from services.notifier.mail.addresses import valid_address

        try:
            recipient = valid_address(address)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="ADDRESS") from error
        bad = False

        async def main(service: "Notifier") -> None:
            nonlocal bad
            bad = not await _send_samples(service, recipient)

        with_service(program, main, current=False)
        if bad:
            raise typer.Exit(1)

    return app


async def _send_samples(service: "Notifier", recipient: str) -> bool:
    """Send them, and tell of each; stops where the server cannot be reached."""
    from datetime import UTC, datetime

    from heliograph.events import new_id
    from services.notifier.emails.letter import Addressee, message_id
    from services.notifier.emails.samples import SAMPLES, sample_products
    from services.notifier.mail.errors import MailDeferred, MailError

    good = True
    for name, facts in SAMPLES.items():
        try:
            letter = service.composer.letter(facts, sample_products(pictured=False))
            addressee = Addressee(
                recipient=recipient,
                message_id=message_id(new_id(), new_id(), letter.domain),
                date=datetime.now(UTC),
                token=NOBODYS,
                secret=NOBODYS,
            )
            answer = await service.mailer.send(letter.to(addressee))
        except MailError as error:
            good = False
            typer.echo(f"{name:<14} not sent: {error.reason}")
            if isinstance(error, MailDeferred):
                break
        else:
            typer.echo(f"{name:<14} {answer or 'written'}")
    return good
