"""The mailer: what sends an email, wherever it goes."""

from typing import Protocol

from services.notifier.mail.envelope import Envelope


class Mailer(Protocol):
    """Sends emails, one recipient an envelope. Safe to share between tasks of one loop."""

    async def send(self, envelope: Envelope) -> str | None:
        """Hand over the email; returning means it was accepted.

        Returns what the server said as it took it, as one printable line of at most 300
        characters; None if there is no server. Raises MailRefused if it never will be accepted,
        MailDeferred if it may be another time. Whoever is cancelled meanwhile knows as little as
        after a MailDeferred that is uncertain.
        """

    async def check(self) -> None:
        """Raise MailDeferred if an email could not be handed over now."""

    async def close(self) -> None:
        """Let go of what is held. Sending again takes it up again."""
