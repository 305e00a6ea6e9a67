"""`Signal.send` to async receivers, against awaiting them by hand and Django's `asend`."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

from benchmarks.measure import Goal, Measure, Reading, Row, Sides, Stopwatch
from benchmarks.peers import django_signals
from benchmarks.world import World
from heliograph import Event, Signal


class _Sender:
    """A sender in the process."""


Receiver = Callable[[Event[object]], Awaitable[None]]


@asynccontextmanager
async def sides(world: World) -> Sides:
    """Each side lets the same receivers answer the same event."""
    count = 200_000  # so short a call needs many, and they take no time
    found: dict[str, Measure] = {}
    for many in (1, 5):
        receivers = [_receiver() for _ in range(many)]
        found |= {
            f"send, {many}": partial(_send, receivers, count // many),
            f"by hand, {many}": partial(_by_hand, receivers, count // many),
            f"Django asend, {many}": partial(django_signals.asend, many, count // 20 // many),
        }
    yield found


def _receiver() -> Receiver:
    async def receive(event: Event[object]) -> None:
        return None

    return receive


async def _send(receivers: Sequence[Receiver], count: int) -> Reading:
    signal = Signal("measured")
    event: Event[object] = Event(sender=_Sender, instance=_Sender())
    for each in receivers:
        signal.connect(each, _Sender)
    watch = Stopwatch()
    for _ in range(count):
        await signal.send(event)
    return watch.read(count)


async def _by_hand(receivers: Sequence[Receiver], count: int) -> Reading:
    event: Event[object] = Event(sender=_Sender, instance=_Sender())
    watch = Stopwatch()
    for _ in range(count):
        for receive in receivers:
            await receive(event)
    return watch.read(count)


ROWS = (
    Row(
        "`Signal.send` to 1 and to 5 async receivers",
        "What it costs to keep a receiver beside the code that sends, instead of calling it there.",
        "sends",
        sides,
        goals=(
            Goal("send, 1", "by hand, 1"),
            Goal("send, 5", "by hand, 5"),
            Goal("send, 1", "Django asend, 1", 10),
        ),
        notes="Half a microsecond is a thousandth of a request: by hand there is nothing to gain.",
    ),
)
