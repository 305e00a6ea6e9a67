"""Enhanced status codes (RFC 3463): what mail servers mean by a refusal."""

import re

from services.notifier.mail.smtp_connection import Answer

_CODE = r"[245]\.\d{1,3}\.\d{1,3}"
_LEADING = re.compile(rf"{_CODE}(?!\.?\d)")
_IN_ANSWER = re.compile(rf"\b[245]\d\d[ -]({_CODE})(?!\.?\d)")

NO_RECIPIENT = frozenset(
    {
        "5.1.1",  # no such mailbox
        "5.1.2",  # no such system
        "5.1.3",  # not an address
        "5.1.6",  # the mailbox has moved, nobody knows where to
        "5.1.10",  # the domain takes no mail (RFC 7505); Exchange also says it of a mailbox
        "5.2.1",  # the mailbox is disabled
    }
)
"""What is said for good of a recipient whom no email reaches."""


def tells_of_no_recipient(status: str | None) -> bool:
    """Whether such a code means that the recipient does not exist or is disabled."""
    return status in NO_RECIPIENT


def status_of(answer: Answer) -> str | None:
    """The enhanced code of an answer (RFC 2034), unless it has none of the same class."""
    found = leading_status(answer.text)
    return found if found and int(found[0]) == answer.code // 100 else None


def leading_status(words: str) -> str | None:
    """The code that a text begins with."""
    found = _LEADING.match(words.lstrip())
    return found[0] if found else None


def quoted_status(diagnostic: str) -> str | None:
    """The first code in what a text quotes of an SMTP answer, as in `smtp; 550 5.1.1 unknown`."""
    found = _IN_ANSWER.search(diagnostic)
    return found[1] if found else None
