"""What can go wrong with one email.

HeliographError
└── MailError
    ├── MailRefused     for good: trying again would end the same way
    └── MailDeferred    for now: try again later
"""

from heliograph import HeliographError
from heliograph.logging import masked

_LONGEST_LINE = 300


def one_line(words: str) -> str:
    """What a mail server worded, as one printable line of at most 300 characters.

    Fit to be stored and shown.
    """
    printable = "".join(c if c.isprintable() else " " for c in masked(words))
    return " ".join(printable.split())[:_LONGEST_LINE]


class MailError(HeliographError):
    """An email was not sent, or is not known to be; `reason` is `one_line`."""

    def __init__(self, reason: str) -> None:
        self.reason = one_line(reason)
        super().__init__(self.reason)


class MailRefused(MailError):
    """This email will never reach this recipient: a 5xx answer, or not fit to be sent at all.

    `hard` is true when the server said of the recipient that there is none, or none any more.
    """

    def __init__(self, reason: str, *, hard: bool = False) -> None:
        super().__init__(reason)
        self.hard = hard


class MailDeferred(MailError):
    """The email did not go out this time: a 4xx answer, no connection, or a deadline passed.

    `uncertain` is true when the content was handed over and nothing came back that answers it:
    the server may have accepted the email, and a second try may send it twice.
    """

    state = "away"

    def __init__(self, reason: str, *, uncertain: bool = False) -> None:
        super().__init__(reason)
        self.uncertain = uncertain
