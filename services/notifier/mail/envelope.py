"""The envelope: who an email is from, whom it goes to, and its bytes on the wire."""

from dataclasses import dataclass
from email import policy
from email.errors import MessageError
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from email.parser import BytesHeaderParser

from services.notifier.mail.addresses import valid_address
from services.notifier.mail.errors import MailRefused

# Seven bits pass every server, whether it offers 8BITMIME or not.
_WIRE = policy.SMTP.clone(cte_type="7bit")


@dataclass(frozen=True, slots=True)
class Envelope:
    """One email to one recipient, ready to be handed over.

    `content` ends each line with CRLF: a line break that servers read in two ways smuggles a
    second email in. It is ASCII unless the recipient is not. Raises ValueError for anything else.
    """

    sender: str
    recipient: str
    content: bytes

    def __post_init__(self) -> None:
        lines = self.content.count(b"\r\n")
        if not (self.content.count(b"\n") == self.content.count(b"\r") == lines):
            raise ValueError("a line ends with CRLF, and neither character stands alone")
        if not self.content.endswith(b"\r\n"):
            raise ValueError("an email ends with a line")
        if not (self.content.isascii() or self.is_international):
            raise ValueError("an email to an address in ASCII is lines of ASCII")
        if valid_address(self.recipient) != self.recipient:
            raise ValueError("the recipient is not written as on the wire")

    @property
    def is_international(self) -> bool:
        """Whether only a server that has SMTPUTF8 (RFC 6531) can take it."""
        return not self.recipient.isascii()

    @classmethod
    def of(cls, message: EmailMessage, recipient: str) -> "Envelope":
        """Seal `message` for `recipient`.

        Raises MailRefused if either address is not one, or if the message, once written out,
        does not have exactly the headers it was given.
        """
        try:
            return cls(sender_of(message), valid_address(recipient), written(message))
        except (ValueError, MessageError) as error:
            raise MailRefused(str(error)) from error


def sender_of(message: EmailMessage) -> str:
    """The address in From; raises ValueError unless there is exactly one."""
    header = message["From"]
    if not isinstance(header, AddressHeader) or len(header.addresses) != 1:
        raise ValueError("an email has one From address")
    address = valid_address(header.addresses[0].addr_spec)
    if not address.isascii():
        raise ValueError("the From address must be ASCII: not every server takes another")
    return address


def written(message: EmailMessage) -> bytes:
    """The message as bytes; raises ValueError if they hold other headers than it was given."""
    content = message.as_bytes(policy=_WIRE)
    # Python 3.11.7 decodes an encoded line break inside a header and writes it out as a real
    # one; only reading the result again shows a header that was smuggled in this way.
    if BytesHeaderParser(policy=policy.compat32).parsebytes(content).keys() != message.keys():
        raise ValueError("the headers are not the ones that were written")
    return content
