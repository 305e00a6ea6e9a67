"""Reports: what a mail server sends back about an email, read with distrust.

Delivery reports (RFC 3464, and RFC 6533 for addresses outside ASCII) and complaints (RFC 5965) are
both a `multipart/report` (RFC 6522): words for people, fields for programs, the email returned.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser, HeaderParser
from email.utils import getaddresses
from typing import Literal

from services.notifier.mail.addresses import LONGEST_ADDRESS, valid_address
from services.notifier.mail.status import leading_status, quoted_status, tells_of_no_recipient

Verdict = Literal["hard", "soft", "complaint"]

_DELIVERY = ("message/delivery-status", "message/global-delivery-status")
_FEEDBACK = ("message/feedback-report",)
_RETURNED = (
    "message/rfc822",
    "text/rfc822-headers",
    "message/global",
    "message/global-headers",
)

_COMPLAINTS = ("abuse", "fraud", "opt-out")
"""What people say of an email; feedback of other types (RFC 5965 7.3) is from programs."""

_MOST_PARTS = 10
_MOST_PEOPLE = 50
"""Read of one report: an email of ours has one recipient."""

_LONGEST_TYPE = 1000
"""Of a Content-Type: over a longer one the library can sit for minutes."""

_ESCAPED = re.compile(r"\\x\{([0-9A-Fa-f]{2,5})\}")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")


class NoReportError(ValueError):
    """A mail that tells nothing of an email; says why."""


@dataclass(frozen=True, slots=True)
class Reported:
    """What a report says of one recipient of the email with this Message-ID."""

    addresses: tuple[str, ...]
    """Of the recipient, as `valid_address` writes them: where the email was sent, and where it
    ended up if that is elsewhere."""
    verdict: Verdict
    message_id: str
    detail: str


def read_report(mail: bytes) -> list[Reported]:
    """Read a mail; those recipients to whom it was delivered or passed on are left out.

    Raises NoReportError.
    """
    parts = dict(_parts(mail))
    returned = _fields(_first(parts, _RETURNED).lstrip("\n"))
    message_id = _line(returned, "Message-ID")
    if fields := _first(parts, _DELIVERY):
        found = [_delivery(_fields(each)) for each in _BLANK_LINE.split(fields, _MOST_PEOPLE)]
    elif fields := _first(parts, _FEEDBACK):
        found = [_feedback(_fields(fields), returned)]
    else:
        raise NoReportError("it reports neither a delivery nor a complaint")
    if not message_id:
        raise NoReportError("it does not give the Message-ID of the email that it is about")
    return [Reported(*each[:2], message_id, each[2]) for each in found if each is not None]


_Found = tuple[tuple[str, ...], Verdict, str]


def _delivery(fields: Message) -> _Found | None:
    """What is said of one recipient; None of one whom the email reached, or of nobody."""
    names = [_line(fields, name) for name in ("Original-Recipient", "Final-Recipient")]
    addresses = tuple(dict.fromkeys(filter(None, map(_address, names))))
    action = _line(fields, "Action").lower().split(" ")[0]
    if not addresses or action not in ("failed", "delayed"):
        return None
    status, diagnostic = _line(fields, "Status"), _line(fields, "Diagnostic-Code")
    said = (leading_status(status), quoted_status(diagnostic))
    # Those that end with two zeros say nothing.
    codes = [each for each in said if each and not each.endswith(".0.0")]
    hard = action == "failed" and bool(codes) and all(map(tells_of_no_recipient, codes))
    return addresses, "hard" if hard else "soft", f"{status} {diagnostic}"


def _feedback(fields: Message, returned: Message) -> _Found | None:
    """What somebody complains of; None if it is no complaint."""
    kind = _line(fields, "Feedback-Type").lower()
    if kind not in _COMPLAINTS:
        return None
    recipient = _line(fields, "Original-Rcpt-To")
    # It may be left out; where it is another, the email was passed on.
    named = [recipient] if recipient else [to for _, to in getaddresses([_line(returned, "To")])]
    addresses = tuple(filter(None, map(_address, named[:1])))
    return (addresses, "complaint", f"{kind} {_line(fields, 'User-Agent')}") if addresses else None


def _address(named: str) -> str | None:
    """The address in `rfc822; ada@example.org`, or in `utf-8; …` with escapes (RFC 6533 3)."""
    kind, _, address = named.rpartition(";")
    if kind.strip().lower() == "utf-8":
        address = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), address)
    address = address.strip().strip("<>")
    try:
        return valid_address(address) if len(address) <= LONGEST_ADDRESS else None
    except ValueError:
        return None


def _line(fields: Message, name: str) -> str:
    """The value of a field, unfolded; empty if there is none."""
    return " ".join(str(fields.get(name, ""))[:2000].split())


def _fields(text: str) -> Message:
    return HeaderParser().parsestr(_BLANK_LINE.split(text, 1)[0])


def _first(parts: dict[str, str], kinds: tuple[str, ...]) -> str:
    return next((parts[kind] for kind in kinds if kind in parts), "")


def _parts(mail: bytes) -> Iterator[tuple[str, str]]:
    """The parts of a report, by their types.

    They are parted here: the library takes what a `message/global…` holds for an email, and what
    is encoded in it for its text.
    """
    whole = BytesParser().parsebytes(mail, headersonly=True)
    # Measured before it is taken apart.
    if len(str(whole.get("Content-Type", ""))) > _LONGEST_TYPE:
        raise NoReportError("it has an endless Content-Type")
    if whole.get_content_type() != "multipart/report":
        raise NoReportError(f"it is no report (multipart/report), but {whole.get_content_type()}")
    boundary = (whole.get_boundary() or "").encode("utf-8", "surrogateescape")
    if not boundary:
        raise NoReportError("it does not say what parts it")
    delimiter = re.compile(
        rb"^--" + re.escape(boundary) + rb"(?:--)?[ \t]*\r?(?:\n|\Z)", re.MULTILINE
    )
    for piece in delimiter.split(_bytes(whole), _MOST_PARTS)[1:]:
        part = BytesParser().parsebytes(piece, headersonly=True)
        yield part.get_content_type(), _bytes(part).decode(errors="replace").replace("\r\n", "\n")


def _bytes(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""
