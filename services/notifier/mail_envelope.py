"""The envelope: who an email is from, whom it goes to, and its bytes on the wire."""

from dataclasses import dataclass
from email import policy
from email.errors import MessageError
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from email.parser import BytesHeaderParser

from services.notifier.addresses import valid_address
from services.notifier.mail_errors import MailRefused

# Seven bits pass every server, whether it offers 8BITMIME or not.
_WIRE = policy.SMTP.clone(cte_type="7bit")


@dataclass(frozen=True)
class Envelope:
    """One email to one recipient, ready to be handed over; `content` has CRLF line ends."""

    sender: str
    recipient: str
    content: bytes

    @classmethod
    def of(cls, message: EmailMessage, recipient: str) -> "Envelope":
        """Seal `message` for `recipient`.

        Raises MailRefused if either address is not one, or if the message, once written out,
        does not have exactly the headers it was given.
        """
        try:
            return cls(_sender(message), valid_address(recipient), _content(message))
        except (ValueError, MessageError) as error:
            raise MailRefused(str(error)) from error


def _sender(message: EmailMessage) -> str:
    header = message["From"]
    if not isinstance(header, AddressHeader) or len(header.addresses) != 1:
        raise ValueError("an email has one From address")
    return valid_address(header.addresses[0].addr_spec)


def _content(message: EmailMessage) -> bytes:
    content = message.as_bytes(policy=_WIRE)
    # Python 3.11.7 decodes an encoded line break inside a header and writes it out as a real
    # one; only reading the result again shows a header that was smuggled in this way.
    if BytesHeaderParser(policy=policy.compat32).parsebytes(content).keys() != message.keys():
        raise ValueError("the headers are not the ones that were written")
    return content
