"""An email that came again is explained by a failure between its final dot and our record."""

from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

from chaos.failures import Failure
from chaos.reckoning.mailbox import Email
from chaos.reckoning.repeats import repeats
from heliograph.testing import Received

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def came(*moments: float) -> Email:
    copies = (Received("us", ("ann",), EmailMessage(), b"", after(each)) for each in moments)
    return Email("e1.s1", "ann", NOW, tuple(copies))


def failure(begin: float, end: float | None = None) -> Failure:
    return Failure(after(begin), after(begin if end is None else end))


def test_an_email_that_came_once_is_no_repeat() -> None:
    found = repeats([came(0)], {"e1.s1": after(0.1)}, [failure(5)])
    assert (found.again, found.uncertain, found.unexplained) == (0, 0, [])


def test_one_that_came_again_without_a_failure_is_not_explained() -> None:
    found = repeats([came(0, 30)], {"e1.s1": after(30.1)}, [failure(20), failure(40)])
    assert (found.again, found.uncertain, len(found.unexplained)) == (1, 0, 1)


def test_a_failure_before_the_record_explains_one_copy_of_each_that_was_under_way() -> None:
    found = repeats([came(0, 30)], {"e1.s1": after(30.1)}, [failure(0.2)])
    assert (found.again, found.uncertain, found.unexplained) == (1, 1, [])


def test_a_failure_that_lasts_explains_what_came_while_it_did() -> None:
    found = repeats([came(10, 30)], {"e1.s1": after(30.1)}, [failure(5, 12)])
    assert (found.again, found.unexplained) == (1, [])


def test_one_that_could_have_come_again_counts_too() -> None:
    found = repeats([came(0)], {"e1.s1": after(1)}, [failure(0.5)])
    assert (found.again, found.uncertain) == (0, 1)


def test_the_databases_clock_may_be_hours_ahead() -> None:
    sent = {"e1.s1": after(2 * 3600 + 1)}
    assert repeats([came(0)], sent, [failure(0.5)]).uncertain == 1
    assert repeats([came(0)], sent, [failure(1.5)]).uncertain == 0
