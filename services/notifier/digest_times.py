"""When digests are due: at nine in the morning where the person is."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from services.notifier.models import Frequency

_NINE = time(9)
_MONDAY = 0


def next_digest(after: datetime, frequency: Frequency, time_zone: str) -> datetime:
    """The first nine o'clock in the time zone that is later than `after`, in UTC.

    Weekly it is that of a Monday. Where clocks pass over nine, or over a whole day, it comes when
    they would have shown it; where they show nine twice, at the first. `time_zone` is a name of
    the IANA database: one that is not known raises `ZoneInfoNotFoundError`. There are no instant
    digests: `ValueError`.
    """
    if frequency == "instant":
        raise ValueError("who is told at once has no digests")
    zone = ZoneInfo(time_zone)
    day = after.astimezone(zone).date()
    while True:
        due = datetime.combine(day, _NINE, zone).astimezone(UTC)
        if due > after and (frequency == "daily" or day.weekday() == _MONDAY):
            return due
        day += timedelta(days=1)
