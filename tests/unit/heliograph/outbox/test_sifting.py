"""Sifting against a bus that closes for some messages and turns down others."""

import asyncio
from collections.abc import Sequence
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from heliograph import BusUnavailable, MessageRefused
from heliograph.bus import Message
from heliograph.outbox.claims import OutboxRow
from heliograph.outbox.sifting import PART_BYTES, Sifted, sift
from heliograph.outbox.table import BACKGROUND


def row(number: int, subject: str, *, partition: int = 0, size: int = 0) -> OutboxRow:
    message = Message(str(number), "x", "k", {}, b"x" * size)
    return OutboxRow(number, partition, subject, 0, discarded=False, message=message)


class Picky:
    """Takes what is sent in order, up to what it will never have; confirms some of it before."""

    def __init__(self, never: set[int], turned_down: set[int] = frozenset(), seed: int = 0) -> None:  # type: ignore[assignment]
        self.never = {str(each) for each in never}
        self.turned_down = {str(each) for each in turned_down}
        self.arrived: list[int] = []
        self.sizes: list[int] = []
        self._rng = Random(seed)  # noqa: S311 - drawn

    async def publish(self, messages: Sequence[Message]) -> frozenset[str]:
        self.sizes.append(len(messages))
        taken: list[str] = []
        for message in messages:
            if message.id in self.never:
                some = [each for each in taken if self._rng.random() < 0.5]
                raise MessageRefused("it is too large", some)
            self.arrived.append(int(message.id))
            if message.id not in self.turned_down:
                taken.append(message.id)
        return frozenset(taken)


def run(bus: Picky, rows: Sequence[OutboxRow]) -> Sifted:
    return asyncio.run(sift(bus, rows))


def numbers(rows: Sequence[OutboxRow]) -> list[int]:
    return [each.id for each in rows]


@given(
    subjects=st.lists(st.sampled_from("abcdef"), max_size=60),
    never=st.sets(st.integers(0, 59), max_size=12),
    turned_down=st.sets(st.integers(0, 59), max_size=6),
    unordered=st.booleans(),
    seed=st.integers(0, 1_000),
)
def test_everything_goes_but_what_is_refused_and_what_is_behind_it(
    subjects: list[str],
    never: set[int],
    turned_down: set[int],
    unordered: bool,  # noqa: FBT001 - drawn
    seed: int,
) -> None:
    partition = BACKGROUND if unordered else 0
    rows = [row(number, each, partition=partition) for number, each in enumerate(subjects)]
    bus = Picky(never, turned_down - never, seed)
    sifted = run(bus, rows)

    gone, refused = numbers(sifted.gone), numbers(sifted.refused)
    parked = numbers([each for each, _ in sifted.parked])
    assert len(gone) == len(set(gone))
    assert not {*gone} & (never | turned_down)
    assert {*parked} <= never
    assert {*refused} <= turned_down - never
    left = {*range(len(rows))} - {*gone, *refused, *parked}
    first_copies = [*dict.fromkeys(bus.arrived)]
    if unordered:
        assert not left
        return
    for subject in {*subjects}:
        mine = [number for number, each in enumerate(subjects) if each == subject]
        assert [each for each in first_copies if each in mine] == [
            each for each in mine if each in first_copies
        ]
        stops = [each for each in mine if each in {*refused, *parked}]
        assert len(stops) <= 1
        assert all(stops and each > stops[0] for each in mine if each in left)
        if stops and stops[0] in parked:
            assert not [each for each in first_copies if each in mine and each >= stops[0]]


def test_one_of_many_is_found_by_halves() -> None:
    rows = [row(number, str(number)) for number in range(500)]
    bus = Picky({321})
    sifted = run(bus, rows)
    assert [each.id for each, _ in sifted.parked] == [321]
    assert len(sifted.gone) == 499
    assert len(bus.sizes) < 25


def test_what_nobody_refuses_is_sent_at_once() -> None:
    bus = Picky(set())
    assert len(run(bus, [row(number, "a") for number in range(500)]).gone) == 500
    assert bus.sizes == [500]


def test_what_is_large_goes_in_parts() -> None:
    sizes = [PART_BYTES + 1, 1, 1, PART_BYTES - 1, 2]
    bus = Picky(set())
    run(bus, [row(number, "a", size=size) for number, size in enumerate(sizes)])
    assert bus.sizes == [1, 2, 1, 1]
    assert bus.arrived == [*range(5)]


def test_a_bus_that_goes_away_keeps_what_it_has_not_taken() -> None:
    class Leaving(Picky):
        async def publish(self, messages: Sequence[Message]) -> frozenset[str]:
            raise BusUnavailable("away", [messages[0].id])

    sifted = run(Leaving(set()), [row(number, "a") for number in range(3)])
    assert numbers(sifted.gone) == [0]
    assert not sifted.refused
    assert str(sifted.trouble) == "away"
