"""The letter: what all emails about one event share, written out once."""

import binascii
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape
from itertools import groupby

from services.notifier.mail.envelope import Envelope, sender_of, written
from services.notifier.mail.errors import MailRefused

RECIPIENT, UNSUBSCRIBE = "\x01", "\x02"
"""Stand in a letter's parts for the recipient's address and the unsubscribe URL.

Control characters, because `one_line` lets none of a stranger's pass.
"""

# Quoted-printable holds no "=_", so no part can end itself (RFC 2045 6.7).
_BOUNDARY = "=_heliograph"

_CONTENT = f"""\
%b\
To: %b
Date: %b
Message-ID: %b
List-Unsubscribe: <%b>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
Auto-Submitted: auto-generated
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="{_BOUNDARY}"

--{_BOUNDARY}
Content-Type: text/plain; charset="utf-8"
Content-Transfer-Encoding: quoted-printable

%b--{_BOUNDARY}
Content-Type: text/html; charset="utf-8"
Content-Transfer-Encoding: quoted-printable

%b--{_BOUNDARY}--
""".replace("\n", "\r\n").encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """What one recipient's email has for itself.

    `recipient` is an address as `valid_address` writes it. `message_id` (`<unique@domain>`)
    and `date` name this email: whoever sends it again passes the same ones, so that mail
    programs know the second copy. `unsubscribe_url` answers GET with a page and POST at once
    (RFC 8058).
    """

    recipient: str
    message_id: str
    date: datetime
    unsubscribe_url: str


class Letter:
    """A text part and an HTML part that say the same, under one From and one Subject.

    `head` has those two headers and no more. Raises MailRefused if they cannot be written as
    they are.
    """

    def __init__(self, head: EmailMessage, text: str, html: str) -> None:
        try:
            self._sender = sender_of(head)
            self._head = written(head).removesuffix(b"\r\n")
        except ValueError as error:
            raise MailRefused(str(error)) from error
        self._text, self._html = _Part(text), _Part(html)

    def to(self, addressee: Addressee) -> Envelope:
        """Fill the letter in for one recipient.

        Raises MailRefused if the address, the Message-ID or the unsubscribe URL cannot stand
        in a header.
        """
        url = addressee.unsubscribe_url
        try:
            recipient = addressee.recipient
            content = _CONTENT % (
                self._head,
                _mailbox(recipient),
                format_datetime(addressee.date).encode(),
                _verbatim(addressee.message_id),
                _verbatim(url, not_in_it=">"),
                self._text.filled(recipient, url),
                self._html.filled(escape(recipient), escape(url)),
            )
            return Envelope(self._sender, recipient, content)
        except ValueError as error:
            raise MailRefused(str(error)) from error


class _Part:
    """A text in quoted-printable, all but the lines that each recipient has for itself.

    Quoted-printable keeps lines short and seven bits wide, so no server alters them.
    """

    def __init__(self, text: str) -> None:
        lines = [line + "\r\n" for line in text.split("\n")]
        self._pieces: list[str | bytes] = []
        for own, run in groupby(lines, _has_own_words):
            piece = "".join(run)
            self._pieces.append(piece if own else _quoted(piece))

    def filled(self, recipient: str, url: str) -> bytes:
        """The whole part, its last line ended too."""
        return b"".join(
            piece
            if isinstance(piece, bytes)
            else _quoted(piece.replace(RECIPIENT, recipient).replace(UNSUBSCRIBE, url))
            for piece in self._pieces
        )


def _has_own_words(line: str) -> bool:
    return RECIPIENT in line or UNSUBSCRIBE in line


def _quoted(lines: str) -> bytes:
    return binascii.b2a_qp(lines.encode())


def _mailbox(address: str) -> bytes:
    """An address as it stands in a header; in UTF-8 if need be (RFC 6532)."""
    local, _, domain = address.rpartition("@")
    if "=?" in local:
        # Quoted, it begins no encoded word (RFC 2047 5).
        address = f'"{local}"@{domain}'
    if not address.isprintable() or " " in address or "=?" in domain:
        raise ValueError(f"cannot stand in a header: {address!r}")
    return address.encode()


def _verbatim(value: str, *, not_in_it: str = "=?") -> bytes:
    """The value of a header that is neither folded nor encoded: readers take it to the letter.

    Without `=?`, which begins an encoded word (RFC 2047).
    """
    if not (value.isascii() and value.isprintable()) or " " in value or not_in_it in value:
        raise ValueError(f"cannot stand in a header: {value!r}")
    return value.encode()
