"""Repeats: emails that came again, and what explains each.

An email may come again only if something failed between its final dot and our record that it was
sent. So every failure is written down with its moment, and the mail server knows when each copy
came: a copy that was followed by another had a failure in between, of the kind that can part the
one from the other.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from chaos.failures import Failure
from chaos.reckoning.mailbox import Email
from services.notifier.sending.pace import HOUR

ROUND_S = timedelta(seconds=1)
"""Between what a program does and what the mail server, or whoever broke it, writes down."""
RECORDED_S = timedelta(seconds=6)
"""Within which an email is recorded, unless something fails: a link holds an answer for four."""


@dataclass(frozen=True)
class Repeats:
    """What came again, and what could have."""

    again: int
    """Copies that came after the first of their email."""
    uncertain: int
    """Copies that were between their final dot and our record when something failed."""
    unexplained: Sequence[str]
    """Those that came again although nothing failed in between."""


def repeats(
    emails: Iterable[Email],
    sent_at: Mapping[str, datetime],
    failures: Sequence[Failure],
) -> Repeats:
    """Count them; `sent_at` is when an email was recorded, by its id and the database's clock."""
    again = uncertain = 0
    unexplained = []
    for email in emails:
        moments = [copy.at for copy in email.copies]
        for moment, later in pairwise(moments):
            again += 1
            begin, end = moment - ROUND_S, min(later, moment + RECORDED_S)
            if any(each.begin <= end and each.end >= begin for each in failures):
                uncertain += 1
            else:
                unexplained.append(f"{email.message_id} came at {moment} and at {later}")
        recorded = _recorded(moments[-1], sent_at.get(email.message_id))
        uncertain += any(moments[-1] <= each.begin <= recorded for each in failures)
    return Repeats(again, uncertain, unexplained)


def _recorded(came: datetime, sent_at: datetime | None) -> datetime:
    """When the last copy was recorded, by our clock: the database's may be whole hours ahead."""
    if sent_at is None:
        return came + RECORDED_S
    later = (sent_at - came).total_seconds() % HOUR
    # One that came after the record was sent by a worker that had been stopped meanwhile.
    return came + timedelta(seconds=later if later < HOUR / 2 else 0)
