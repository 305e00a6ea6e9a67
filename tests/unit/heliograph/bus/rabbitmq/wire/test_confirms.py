import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.bus.rabbitmq.wire.confirms import Batch, Confirms


@pytest.fixture
def confirms() -> Confirms:
    return Confirms()


def expect(confirms: Confirms, *ids: str) -> Batch:
    return confirms.expect(ids, asyncio.get_running_loop().create_future())


async def test_a_batch_is_settled_when_each_of_its_messages_is_answered(
    confirms: Confirms,
) -> None:
    batch = expect(confirms, "a", "b", "c")
    progress = [(batch.complete, batch.settled.done())]
    for tag, taken in ((2, True), (1, False), (3, True)):
        confirms.answer(tag, multiple=False, taken=taken)
        progress.append((batch.complete, batch.settled.done()))
    assert progress == [(False, False), (False, False), (False, False), (True, True)]
    assert confirms.settled
    assert batch.taken == {"b", "c"}


async def test_one_answer_may_be_for_all_messages_up_to_it_whatever_their_batch(
    confirms: Confirms,
) -> None:
    first, second = expect(confirms, "a", "b"), expect(confirms, "c", "d")
    confirms.answer(1, multiple=False, taken=False)
    confirms.answer(3, multiple=True, taken=True)
    assert first.settled.done()
    assert (first.taken, second.taken) == ({"b"}, {"c"})
    confirms.answer(4, multiple=True, taken=True)
    assert second.settled.done()


async def test_what_was_answered_once_is_not_answered_again(confirms: Confirms) -> None:
    batch = expect(confirms, "a", "b")
    confirms.answer(1, multiple=True, taken=False)
    confirms.answer(1, multiple=True, taken=True)
    confirms.answer(7, multiple=False, taken=True)
    assert batch.taken == set()
    assert not batch.settled.done()


async def test_an_answer_that_comes_after_its_channel_was_lost_harms_nobody(
    confirms: Confirms,
) -> None:
    batch = expect(confirms, "a")
    batch.settled.cancel()
    confirms.answer(1, multiple=False, taken=True)
    assert batch.settled.cancelled()


@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    answers=st.lists(st.tuples(st.integers(0, 21), st.booleans(), st.booleans()), max_size=30),
    sent_between=st.integers(0, 30),
)
async def test_answers_in_any_order_are_as_if_each_message_were_noted_by_itself(
    sizes: list[int], answers: list[tuple[int, bool, bool]], sent_between: int
) -> None:
    confirms = Confirms()
    tags = iter(range(1, 100))
    expected: dict[int, bool | None] = {}
    batches: list[tuple[Batch, list[int]]] = []

    def send(size: int) -> None:
        mine = [next(tags) for _ in range(size)]
        batches.append((expect(confirms, *map(str, mine)), mine))
        expected.update(dict.fromkeys(mine))

    *first, last = sizes
    for size in first:
        send(size)
    for number, (tag, multiple, taken) in enumerate(answers):
        if number == sent_between:
            send(last)
        confirms.answer(tag, multiple=multiple, taken=taken)
        for each in range(1 if multiple else tag, tag + 1):
            if each in expected and expected[each] is None:
                expected[each] = taken
        for batch, mine in batches:
            assert batch.taken == {str(each) for each in mine if expected[each]}
            assert batch.settled.done() == all(expected[each] is not None for each in mine)
