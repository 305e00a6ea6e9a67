"""The mailer: what sends an email, wherever it goes."""

from typing import Protocol

from services.notifier.mail.envelope import Envelope


class Mailer(Protocol):
    """Sends emails, one recipient an envelope. Safe to share between tasks of one loop."""

    async def send(self, envelope: Envelope) -> None:
        """Hand over the email; returning means it was accepted.

        Raises MailRefused if it never will be, MailDeferred if it may be another time.
        """

    async def check(self) -> None:
        """Raise MailDeferred if an email could not be handed over now."""

    async def close(self) -> None:
        """Let go of what is held. Sending again takes it up again."""
