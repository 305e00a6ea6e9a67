"""What can go wrong with one email.

HeliographError
└── MailError
    ├── MailRefused     for good: trying again would end the same way
    └── MailDeferred    for now: try again later
"""

from heliograph import HeliographError
from heliograph.logging import masked

_LONGEST_REASON = 300


class MailError(HeliographError):
    """An email was not sent, or is not known to be.

    `reason` is one printable line of at most 300 characters, fit to be stored and shown
    although a mail server may have worded it.
    """

    def __init__(self, reason: str) -> None:
        printable = "".join(c if c.isprintable() else " " for c in masked(reason))
        self.reason = " ".join(printable.split())[:_LONGEST_REASON]
        super().__init__(self.reason)


class MailRefused(MailError):
    """This email will never reach this recipient: a 5xx answer, or not fit to be sent at all."""


class MailDeferred(MailError):
    """The email did not go out this time: a 4xx answer, no connection, or a deadline passed.

    `uncertain` is true when the connection ended after the content was handed over and before
    the answer: the server may have accepted the email, and a second try may send it twice.
    """

    state = "away"

    def __init__(self, reason: str, *, uncertain: bool = False) -> None:
        super().__init__(reason)
        self.uncertain = uncertain
