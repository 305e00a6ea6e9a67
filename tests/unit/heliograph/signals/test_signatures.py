"""What is written as in Django works, or is met with a sentence that shows how it is written."""

from typing import Any

import pytest

from heliograph import Event, Misregistered, Signal


class Row:
    """A model of this test's own."""


def as_in_django(sender, instance, created, **kwargs): ...  # type: ignore[no-untyped-def] # noqa: ANN001, ANN003, ANN201
def by_name_alone(**kwargs: Any) -> None: ...
def sender_alone(sender: Any) -> None: ...
def of_anything(*args: Any) -> None: ...
def behind_a_star(*, event: Event[Row]) -> None: ...
def asks_by_name(event: Event[Row], **kwargs: Any) -> None: ...
def without_an_event() -> None: ...


@pytest.fixture
def signal() -> Signal:
    return Signal("happened")


@pytest.mark.parametrize(
    "function",
    [
        as_in_django,
        by_name_alone,
        sender_alone,
        of_anything,
        behind_a_star,
        asks_by_name,
        without_an_event,
    ],
)
def test_a_signature_that_cannot_be_called_is_met_with_one_that_can(
    signal: Signal, function: Any
) -> None:
    name = function.__name__
    told = rf"{name}\(.*\).* cannot be called: .* Write async def {name}\(event: Event\[Product\]"
    with pytest.raises(Misregistered, match=told):
        signal.connect(function)


@pytest.mark.parametrize("name", [(), ("",), ("Price-Changed",), ("price.changed",)])
def test_a_signal_needs_a_name_that_can_stand_in_a_key(name: tuple[str, ...]) -> None:
    with pytest.raises(Misregistered, match=r'write Signal\("viewed"\)'):
        Signal(*name)


async def test_asend_is_another_name_for_send(signal: Signal) -> None:
    async def fail(event: Event[Row]) -> None:
        raise ValueError(event.signal)

    signal.connect(fail, Row)
    event = Event(sender=Row, instance=Row())
    with pytest.raises(ValueError, match="happened"):
        await signal.asend(event)
    [(_, error)] = await signal.asend_robust(event)
    assert isinstance(error, ValueError)


@pytest.mark.parametrize("name", ["send", "send_robust"])
@pytest.mark.parametrize("given", [Row, None], ids=str)
async def test_what_is_sent_is_an_event(signal: Signal, name: str, given: Any) -> None:
    with pytest.raises(TypeError, match=r"sent as an event, .* await signal.send\(Event\(sender="):
        await getattr(signal, name)(given)
    assert not hasattr(Row, "signal")
