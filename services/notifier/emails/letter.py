"""The letter: what all emails that say the same share, written out once."""

import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.parser import HeaderParser
from email.utils import format_datetime
from functools import lru_cache
from html import escape
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from services.notifier.mail.envelope import Envelope, sender_of
from services.notifier.mail.errors import MailRefused

RECIPIENT, UNSUBSCRIBE, PREFERENCES, CONFIRM = "\x01", "\x02", "\x03", "\x04"
"""Stand in a letter's parts for the recipient's address and for links of the recipient's own.

Control characters, because `one_line` lets none of a stranger's pass.
"""

OF_DIGESTS = "?all=digests"
"""Behind `UNSUBSCRIBE` in a digest: the link ends all that the person has digests of."""

_UNKNOWN = "…"
"""Stands in a preview for a secret that is no longer known."""

# Quoted-printable holds no "=_", so no part can end itself (RFC 2045 6.7).
_BOUNDARY = "=_heliograph"


def _wire(lines: str) -> bytes:
    return lines.replace("\n", "\r\n").encode()


_LIST = _wire("""\
List-Unsubscribe: <%b>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
List-Id: <heliograph.%b>
""")

_CONTENT = _wire(f"""\
%bTo: %b
Date: %b
Message-ID: %b
%bAuto-Submitted: auto-generated
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="{_BOUNDARY}"

--{_BOUNDARY}
Content-Type: text/plain; charset="utf-8"
Content-Transfer-Encoding: quoted-printable

%b--{_BOUNDARY}
Content-Type: text/html; charset="utf-8"
Content-Transfer-Encoding: quoted-printable

%b--{_BOUNDARY}--
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """What one recipient's email has for itself.

    `recipient` is an address as `valid_address` writes it. `message_id` (see the function) and
    `date` name this email: whoever sends it again passes the same ones, so that mail programs
    know the second copy. `token` is the subscription's, of which the links to unsubscribe and to
    the preferences are made; a confirmation has none, but a `secret`, the token of its link.
    """

    recipient: str
    message_id: str
    date: datetime
    token: str | None = None
    secret: str | None = None


class Content(NamedTuple):
    """An email as its reader sees it."""

    subject: str
    text: str
    html: str


class Letter:
    """A text part and an HTML part that say the same, under one From and one Subject.

    `head` has those two headers, as they go out, and no more. What a letter is made from can be
    stored: a letter made again from it is filled in byte for byte alike. `public_url` begins the
    links of the recipient's own; `domain` names the list that people can filter by (RFC 2919).
    Raises MailRefused if these cannot be sent as they are.
    """

    def __init__(self, head: str, text: str, html: str, *, public_url: str, domain: str) -> None:
        self.head, self.text, self.html = head, text, html
        self.public_url, self.domain = public_url, domain
        if "\0" in text + html:
            raise MailRefused("an email has no NUL in it")
        try:
            self._sender, self._subject = _read(head)
            self._head = head.encode("ascii")
            self._list = _verbatim(domain, not_in_it=">")
            self._text, self._html = _Part(text), _Part(html)
        except ValueError as error:
            raise MailRefused(str(error)) from error
        of_digests = UNSUBSCRIBE + OF_DIGESTS
        self._unsubscribe = of_digests if of_digests in text else UNSUBSCRIBE

    @property
    def size(self) -> int:
        """Bytes on the wire, but for what each recipient has for itself."""
        return len(self._head) + self._text.size + self._html.size

    @property
    def confirms(self) -> bool:
        """Whether it asks to confirm: it then needs a secret, and is no mail of a list."""
        return CONFIRM in self.text

    def to(self, addressee: Addressee) -> Envelope:
        """Fill the letter in for one recipient.

        Raises MailRefused if the address, the Message-ID or a link cannot stand in a header, or
        if the addressee lacks the token that the letter needs.
        """
        recipient = addressee.recipient
        if (addressee.secret if self.confirms else addressee.token) is None:
            raise MailRefused("the token of its links is no longer known")
        try:
            own = self._own(addressee)
            content = _CONTENT % (
                self._head,
                _mailbox(recipient),
                _date(addressee.date),
                _verbatim(addressee.message_id),
                b"" if self.confirms else _LIST % (self._link(own), self._list),
                self._text.filled(own),
                self._html.filled(_escaped(own)),
            )
            return Envelope(self._sender, recipient, content)
        except ValueError as error:
            raise MailRefused(str(error)) from error

    def _link(self, own: Mapping[str, str]) -> bytes:
        return _verbatim(_filled(self._unsubscribe, own), not_in_it=">")

    def preview(self, addressee: Addressee) -> Content:
        """What the recipient reads; a token that is not known is shown as an ellipsis."""
        own = self._own(addressee)
        return Content(self._subject, _filled(self.text, own), _filled(self.html, _escaped(own)))

    def _own(self, addressee: Addressee) -> dict[str, str]:
        token = addressee.token or _UNKNOWN
        return {
            RECIPIENT: addressee.recipient,
            UNSUBSCRIBE: f"{self.public_url}/unsubscribe/{token}",
            PREFERENCES: f"{self.public_url}/preferences/{token}",
            CONFIRM: f"{self.public_url}/confirm/{addressee.secret or _UNKNOWN}",
        }


def message_id(event_id: UUID, subscription_id: UUID, domain: str) -> str:
    """Name the email that tells this subscription of this event, however often it is sent."""
    return f"<{event_id}.{subscription_id}@{domain}>"


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

    @property
    def size(self) -> int:
        return sum(map(len, self._pieces))

    def filled(self, own: Mapping[str, str]) -> bytes:
        """The whole part, its last line ended too."""
        return b"".join(
            piece if isinstance(piece, bytes) else _quoted(_filled(piece, own))
            for piece in self._pieces
        )


def _has_own_words(line: str) -> bool:
    return any(
        placeholder in line for placeholder in (RECIPIENT, UNSUBSCRIBE, PREFERENCES, CONFIRM)
    )


def _filled(text: str, own: Mapping[str, str]) -> str:
    for placeholder, words in own.items():
        text = text.replace(placeholder, words)
    return text


def _escaped(own: Mapping[str, str]) -> dict[str, str]:
    return {placeholder: escape(words) for placeholder, words in own.items()}


def _quoted(lines: str) -> bytes:
    return binascii.b2a_qp(lines.encode())


# Those that are sent together were claimed together.
@lru_cache(16)
def _date(moment: datetime) -> bytes:
    return format_datetime(moment).encode()


def _read(head: str) -> tuple[str, str]:
    """The sender's address and the subject."""
    message = HeaderParser(policy=policy.default).parsestr(head)
    if message.keys() != ["From", "Subject"] or message.defects or message.get_payload():
        raise ValueError("a letter's head is From and Subject")
    return sender_of(message), str(message["Subject"])


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
