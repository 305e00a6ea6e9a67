from collections.abc import Callable
from typing import Any

import pytest
from mypy import api as mypy

import contracts
from heliograph import (
    Event,
    Misregistered,
    MissingCollaborator,
    Refused,
    Signal,
    post_delete,
    post_save,
    receiver,
)
from heliograph.signals import Collaborators, check_collaborators, queued_receivers


class Row:
    """A model of this test's own."""


class OtherRow:
    """Another model."""


class Mailer:
    """A collaborator."""


def event(sender: type = Row) -> Event[Any]:
    return Event(sender=sender, instance=sender())


@pytest.fixture
def signal() -> Signal:
    return Signal("happened")


@pytest.fixture
def heard() -> list[str]:
    return []


def listener(heard: list[str], name: str) -> Callable[[Event[Any]], str]:
    def listen(_event: Event[Any]) -> str:
        heard.append(name)
        return name

    return listen


async def test_send_returns_each_receiver_with_its_answer(signal: Signal) -> None:
    async def awaited(_event: Event[Any]) -> int:
        return 1

    def plain(_event: Event[Any]) -> int:
        return 2

    signal.connect(awaited)
    signal.connect(plain)
    assert await signal.send(event()) == [(awaited, 1), (plain, 2)]


async def test_an_event_knows_its_signal(signal: Signal) -> None:
    names = []
    signal.connect(lambda event: names.append(event.signal))
    await signal.send(event())
    assert names == ["happened"]


async def test_a_receiver_hears_its_sender_only(signal: Signal, heard: list[str]) -> None:
    signal.connect(listener(heard, "row"), Row)
    signal.connect(listener(heard, "any"))
    await signal.send(event(OtherRow))
    assert heard == ["any"]
    await signal.send(event(Row))
    assert heard == ["any", "row", "any"]


async def test_receivers_run_in_order_of_registration_and_the_last_ones_last(
    signal: Signal, heard: list[str]
) -> None:
    signal.connect(listener(heard, "outbox"), last=True)
    for name in ("first", "second", "third"):
        signal.connect(listener(heard, name))
    await signal.send(event())
    assert heard == ["first", "second", "third", "outbox"]


async def test_the_first_registration_of_a_key_wins(signal: Signal, heard: list[str]) -> None:
    first = listener(heard, "first")
    signal.connect(first, dispatch_uid="once")
    signal.connect(listener(heard, "second"), dispatch_uid="once")
    signal.connect(first)
    signal.connect(first)
    await signal.send(event())
    assert heard == ["first", "first"]


async def test_the_same_receiver_may_listen_to_two_senders(
    signal: Signal, heard: list[str]
) -> None:
    both = listener(heard, "both")
    signal.connect(both, Row)
    signal.connect(both, OtherRow)
    await signal.send(event(Row))
    await signal.send(event(OtherRow))
    assert heard == ["both", "both"]


async def test_disconnect_tells_whether_anything_was_connected(
    signal: Signal, heard: list[str]
) -> None:
    listen = listener(heard, "one")
    signal.connect(listen, Row)
    assert not signal.disconnect(listen)
    assert signal.disconnect(listen, Row)
    assert not signal.disconnect(listen, Row)
    signal.connect(listen, dispatch_uid="uid")
    assert signal.disconnect(dispatch_uid="uid")
    await signal.send(event())
    assert heard == []


def test_has_listeners_knows_the_sender(signal: Signal) -> None:
    assert not signal.has_listeners()
    signal.connect(lambda _event: None, Row)
    assert signal.has_listeners()
    assert signal.has_listeners(Row)
    assert not signal.has_listeners(OtherRow)


async def test_an_exception_ends_send_and_reaches_the_caller(
    signal: Signal, heard: list[str]
) -> None:
    def refuse(_event: Event[Any]) -> None:
        raise Refused("not on a Sunday")

    signal.connect(refuse)
    signal.connect(listener(heard, "later"))
    refused = event()
    with pytest.raises(Refused, match="not on a Sunday") as error:
        await signal.send(refused)
    assert error.value.event is refused
    assert heard == []


async def test_send_robust_returns_an_exception_as_the_answer(
    signal: Signal, heard: list[str]
) -> None:
    error = ValueError("broken")

    async def fail(_event: Event[Any]) -> None:
        raise error

    later = listener(heard, "later")
    signal.connect(fail)
    signal.connect(later)
    assert await signal.send_robust(event()) == [(fail, error), (later, "later")]


async def test_collaborators_are_handed_in_by_type(signal: Signal) -> None:
    mailer = Mailer()

    async def email(_event: Event[Any], by: Mailer) -> Mailer:
        return by

    signal.connect(email)
    assert await signal.send(event(), Collaborators({Mailer: mailer})) == [(email, mailer)]


def test_a_missing_collaborator_is_found_before_any_event(signal: Signal) -> None:
    def email(_event: Event[Any], by: Mailer) -> None: ...

    signal.connect(email)
    check_collaborators([signal], Collaborators({Mailer: Mailer()}))
    with pytest.raises(MissingCollaborator, match=r"email listens to happened .* a Mailer"):
        check_collaborators([signal], Collaborators())


@pytest.mark.parametrize("default", [None, "anything"])
def test_a_parameter_without_a_class_is_refused(signal: Signal, default: object) -> None:
    def email(_event: Event[Any], by=default) -> None: ...  # type: ignore[no-untyped-def] # noqa: ANN001

    with pytest.raises(Misregistered, match="by needs a class"):
        signal.connect(email)


async def test_one_decorator_connects_to_several_signals(heard: list[str]) -> None:
    begun, ended = Signal("begun"), Signal("ended")

    @receiver([begun, ended], sender=Row)
    def note(event: Event[Row]) -> None:
        heard.append(event.signal)

    await begun.send(event())
    await ended.send(event())
    assert heard == ["begun", "ended"]


@pytest.fixture
def remote() -> Any:
    yield lambda name: next(each for each in queued_receivers if each.name == name)
    for each in queued_receivers:
        if each.function.__module__ == __name__:
            for kind in each.listens:
                queued_receivers.remove(kind, key=each.function)


def test_a_sender_from_contracts_is_heard_behind_the_bus_only(remote: Any) -> None:
    @receiver(post_save, sender=contracts.Product)
    @receiver(post_delete, sender=contracts.Product)
    async def index_product(event: Event[contracts.Product]) -> None: ...

    assert not post_save.has_listeners(contracts.Product)
    found = remote("index_product")
    queue = found.queue("search")
    assert queue.name == "search.index_product"
    assert [(each.exchange, each.pattern) for each in queue.bindings] == [
        ("catalog.events", "catalog.product.post_delete"),
        ("catalog.events", "catalog.product.post_save"),
    ]


def test_two_receivers_of_one_name_are_refused(remote: Any) -> None:
    def make() -> None:
        @receiver(post_save, sender=contracts.Product)
        async def index_product(event: Event[contracts.Product]) -> None: ...

    make()
    make()
    with pytest.raises(Misregistered, match="two receivers named index_product"):
        queued_receivers.of(__name__)


def test_options_of_the_bus_are_refused_in_the_process(signal: Signal) -> None:
    with pytest.raises(Misregistered, match="batch and ordered"):
        signal.connect(lambda _event: None, Row, batch=5)


TYPED = """
from collections.abc import Sequence
from services.catalog import models
import contracts
from heliograph.events.event import Event
from heliograph.signals.receiver import receiver
from heliograph.signals.signal import post_save

@receiver(post_save, sender=contracts.Product)
async def right(event: Event[contracts.Product]) -> None: ...

@receiver(post_save, sender=contracts.Product, batch=10)
async def right_batch(events: Sequence[Event[contracts.Product]]) -> None: ...

@receiver(post_save, models.Product)
async def right_here(event: Event[models.Product]) -> None: ...

@receiver(post_save, sender=[contracts.Product, contracts.Image, contracts.Category])
async def right_of_three(
    event: Event[contracts.Product] | Event[contracts.Image] | Event[contracts.Category],
) -> None: ...

@receiver(post_save, sender=(contracts.Product, contracts.Image), batch=10)
async def right_batch_of_two(
    events: Sequence[Event[contracts.Product] | Event[contracts.Image]],
) -> None: ...
"""


@pytest.mark.parametrize(
    "wrong",
    [
        "contracts.Product) async def wrong(event: Event[contracts.Image])",
        "models.Product) async def wrong(event: Event[contracts.Product])",
        "contracts.Product, batch=10) async def wrong(event: Event[contracts.Product])",
    ],
    ids=["another sender", "the model's event", "one event for a batch"],
)
def test_a_receiver_for_the_wrong_event_is_a_type_error(wrong: str) -> None:
    decorated = f"@receiver(post_save, sender={wrong} -> None: ...".replace(") async", ")\nasync")
    told, _, status = mypy.run(["--strict", "-c", TYPED + decorated])
    errors = [line for line in told.splitlines() if "error:" in line]
    assert status == 1
    assert len(errors) == 1, told
    assert "arg-type" in errors[0]
