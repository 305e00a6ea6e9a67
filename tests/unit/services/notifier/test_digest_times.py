"""When digests are due."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.notifier.digest_times import next_digest

BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
TIMES = st.timedeltas(timedelta(), timedelta(days=17 * 365)).map(lambda since: BEGIN + since)
ZONES = st.sampled_from(sorted(available_timezones()))
LONGEST_SHIFT = timedelta(hours=3)
"""Clocks of stations in the Antarctic are moved by hours; a day of theirs has up to 27."""


@given(TIMES, ZONES)
@example(datetime(2026, 3, 28, 8, tzinfo=UTC), "Europe/Berlin")
@example(datetime(2026, 10, 24, 7, tzinfo=UTC), "Europe/Berlin")
def test_a_daily_digest_is_due_at_the_next_nine(after: datetime, zone: str) -> None:
    due = next_digest(after, "daily", zone)
    local = due.astimezone(ZoneInfo(zone))
    assert due.tzinfo is UTC
    assert (local.hour, local.minute, local.second) == (9, 0, 0)
    assert timedelta() < due - after <= timedelta(days=1) + LONGEST_SHIFT
    assert next_digest(due - timedelta(microseconds=1), "daily", zone) == due


@given(TIMES, ZONES)
def test_a_weekly_digest_is_due_at_nine_on_the_next_monday(after: datetime, zone: str) -> None:
    due = next_digest(after, "weekly", zone)
    local = due.astimezone(ZoneInfo(zone))
    assert (local.weekday(), local.hour, local.minute) == (0, 9, 0)
    assert timedelta() < due - after <= timedelta(days=7) + LONGEST_SHIFT


@pytest.mark.parametrize(
    ("zone", "after", "hours"),
    [
        ("Europe/Berlin", datetime(2026, 3, 28, 8, tzinfo=UTC), 23),
        ("Europe/Berlin", datetime(2026, 10, 24, 7, tzinfo=UTC), 25),
        ("Europe/Berlin", datetime(2026, 6, 1, 7, tzinfo=UTC), 24),
        # A date that Samoa left out: nine of the 30th would have been nine of the 31st.
        ("Pacific/Apia", datetime(2011, 12, 29, 19, tzinfo=UTC), 24),
    ],
    ids=["a short day", "a long day", "a day", "no day"],
)
def test_a_day_is_as_long_as_the_clocks_say(zone: str, after: datetime, hours: int) -> None:
    assert after.astimezone(ZoneInfo(zone)).hour == 9
    assert next_digest(after, "daily", zone) == after + timedelta(hours=hours)


def test_a_nine_that_is_passed_over_comes_when_clocks_would_have_shown_it() -> None:
    # At nine on that day it was ten in Athens.
    midnight = datetime(1979, 4, 1, tzinfo=ZoneInfo("Europe/Athens"))
    due = next_digest(midnight, "daily", "Europe/Athens")
    assert due == datetime(1979, 4, 1, 7, tzinfo=UTC)
    assert due.astimezone(ZoneInfo("Europe/Athens")).hour == 10


def test_a_nine_that_comes_twice_is_taken_once() -> None:
    # Kwajalein had the 30th two times, eleven hours before UTC and then twelve behind it.
    first = datetime(1969, 9, 29, 22, tzinfo=UTC)
    assert next_digest(first - timedelta(hours=10), "daily", "Pacific/Kwajalein") == first
    second = datetime(1969, 9, 30, 21, tzinfo=UTC)
    assert next_digest(first, "daily", "Pacific/Kwajalein") == second + timedelta(days=1)


def test_there_are_no_instant_digests_and_none_of_nowhere() -> None:
    now = datetime.now(UTC)
    with pytest.raises(ValueError, match="at once"):
        next_digest(now, "instant", "UTC")
    with pytest.raises(ZoneInfoNotFoundError):
        next_digest(now, "daily", "Europe/Atlantis")
