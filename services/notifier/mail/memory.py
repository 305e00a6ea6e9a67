"""The mailer of tests."""

from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

from services.notifier.mail.envelope import Envelope
from services.notifier.mail.errors import MailError


@dataclass(frozen=True)
class ReceivedEmail:
    """One email as the recipient's program reads it."""

    recipient: str
    message: EmailMessage


class MemoryMailer:
    """Keeps what it sent in `sent`, oldest first.

    It reads each email as its recipient's program does. A recipient in `failures` raises
    the error kept there instead. `answer` is what it says as it takes an email.
    """

    def __init__(self) -> None:
        self.sent: list[ReceivedEmail] = []
        self.failures: dict[str, MailError] = {}
        self.answer: str | None = None

    async def send(self, envelope: Envelope) -> str | None:
        if failure := self.failures.get(envelope.recipient):
            raise failure
        received = BytesParser(EmailMessage, policy=policy.default).parsebytes(envelope.content)
        self.sent.append(ReceivedEmail(envelope.recipient, received))
        return self.answer

    async def check(self) -> None:
        """Memory is always there."""

    async def close(self) -> None:
        """What was sent stays readable."""
