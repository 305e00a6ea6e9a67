"""Django's own signal, sent from async code to async receivers."""

from typing import Any

from benchmarks.measure import Reading, Stopwatch


async def asend(receivers: int, count: int) -> Reading:
    """Send `count` times to that many async receivers."""
    from django.dispatch import Signal  # noqa: PLC0415 - only who measures it needs it

    signal = Signal()
    kept = [_receiver() for _ in range(receivers)]  # Django holds receivers weakly
    for each in kept:
        signal.connect(each, sender=Signal)
    watch = Stopwatch()
    for _ in range(count):
        await signal.asend(Signal)
    return watch.read(count)


def _receiver() -> Any:
    async def receive(sender: object, **kwargs: object) -> None:
        return None

    return receive
