"""Reasons that are one and the same."""

import time

import pytest

from services.console.shelves.reasons import alike


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("no product 17 in 2.5 s", "no product 4 in 31 s"),
        ("gone: 'lamp'", "gone: 'chair'"),
        ('gone: "it\'s 1 lamp"', 'gone: "a chair"'),
        (
            "the event 019a3f0e-5b7c-7c11-9d52-0242ac120002 is odd",
            "the event 019A3F0E-ffff-7c11-9d52-0242ac120003 is odd",
        ),
        ("an object at 0x7f3a2b", "an object at 0x99"),
        ("no such key: deadbeef12", "no such key: 00ff00ff"),
        ("ada@example.org is refused", "bob.b+x@shop.example is refused"),
        ("at 10:31:07 it was\naway", "at 9:05:59 it  was away"),
    ],
)
def test_what_each_event_has_for_itself_makes_no_other_reason(one: str, other: str) -> None:
    assert alike(one) == alike(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("the store is away", "the shop is away"),
        ("it doesn't know the name and can't", "it doesn't know the shop and can't"),
        ("facade", "decade"),
    ],
)
def test_other_words_are_another_reason(one: str, other: str) -> None:
    assert alike(one) != alike(other)


@pytest.mark.parametrize("piece", ["'", '"', "'a", "a1", "0a", "a@", "1:", "a-", "\n", "0x"])
def test_an_endless_reason_is_read_in_no_time(piece: str) -> None:
    began = time.process_time()
    alike(piece * 1_000_000)
    assert time.process_time() - began < 0.25
