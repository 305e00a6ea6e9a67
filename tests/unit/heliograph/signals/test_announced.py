from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from mypy import api as mypy
from pydantic import BaseModel, RootModel

import contracts
from heliograph import Contract, Event, Malformed, Misregistered, Signal, receiver
from heliograph.events import EventKind, admit, decode, encode
from heliograph.signals import announced_signals, event_kinds, queued_receivers
from services.catalog import models
from services.catalog.service import Catalog
from tests import samples


class Restocked(BaseModel, frozen=True):
    amount: int
    note: str = ""


class Thawed(BaseModel):
    """Not frozen."""


class Tags(RootModel[list[str]], frozen=True):
    """Not an object."""


class Nameless(Contract):
    """Names no sender."""


@pytest.fixture
def restocked() -> Iterator[Signal[Restocked]]:
    signal = Signal("restocked", sender=contracts.Product, carries=Restocked)
    yield signal
    announced_signals.remove(signal)


def test_a_service_announces_the_signals_of_its_models_and_those_declared_for_them(
    restocked: Signal[Restocked],
) -> None:
    saves = ["pre_save", "post_save", "pre_delete", "post_delete"]
    kinds = Catalog.announces()
    assert [each.signal for each in kinds if each.contract is contracts.Category] == saves
    assert [each.signal for each in kinds if each.contract is contracts.Image] == saves
    assert [each.signal for each in kinds if each.contract is contracts.Product] == [
        *saves, "m2m_changed", "restocked",
    ]  # fmt: skip
    assert kinds[-1] == EventKind("restocked", contracts.Product, Restocked)
    assert EventKind("viewed", contracts.View, ordered=False) in kinds
    assert event_kinds("census", ()) == ()


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("restocked", {"sender": contracts.Product}, "declared already: import that signal"),
        ("viewed", {"sender": contracts.Product}, "product.viewed is declared already"),
        ("post_save", {"sender": contracts.Product}, "import heliograph's post_save"),
        ("sold", {"sender": models.Product}, "sender is to be the contract .* contracts.Product"),
        ("sold", {"sender": "catalog.product"}, "sender is to be the contract"),
        ("sold", {"sender": Nameless}, "Nameless names no sender: give it"),
        ("Sold out", {"sender": contracts.Product}, "is no name for a signal"),
        ("sold", {"sender": contracts.View, "carries": Restocked}, "leave carries out"),
        ("sold", {"carries": dict}, r"frozen pydantic model.* write class Sold\(BaseModel, frozen"),
        ("sold", {"carries": Restocked(amount=1)}, "frozen pydantic model"),
        ("sold", {"carries": Thawed}, "frozen=True"),
        ("sold", {"carries": Tags}, "frozen pydantic model"),
        ("sold", {"buffered": True}, "name their sender too"),
    ],
)
def test_a_signal_that_cannot_reach_the_bus_is_refused_where_it_is_declared(
    restocked: Signal[Restocked], name: str, options: dict[str, Any], told: str
) -> None:
    before = announced_signals.of("catalog")
    with pytest.raises(Misregistered, match=told):
        Signal(name, **options)
    assert announced_signals.of("catalog") == before


async def hear(event: Event[Any, Any]) -> None: ...


def test_a_signal_without_a_sender_is_not_heard_behind_the_bus() -> None:
    with pytest.raises(Misregistered, match=r"declare it with Signal\('checked', sender=…\)"):
        Signal("checked").connect(hear, contracts.Product)


def test_a_signal_of_one_sender_is_not_heard_from_another(restocked: Signal[Restocked]) -> None:
    with pytest.raises(Misregistered, match=r"never for catalog\.category: write sender=Product"):
        restocked.connect(hear, contracts.Category)


def test_a_signal_is_not_heard_in_a_version_that_nobody_announces(
    restocked: Signal[Restocked],
) -> None:
    with pytest.raises(Misregistered, match=r"up to \.v1, and ProductV2 is \.v2: write sender="):
        restocked.connect(hear, samples.ProductV2)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (None, r"carries a Restocked, not nothing: write Restocked\(…\)"),
        ({"amount": 3}, "carries a Restocked, not a dict"),
    ],
)
async def test_data_of_another_class_is_not_sent(
    restocked: Signal[Restocked], data: Any, told: str
) -> None:
    lamp = samples.product()
    event: Event[Any, Any] = Event(sender=contracts.Product, instance=lamp, data=data)
    for send in (restocked.send, restocked.send_robust):
        with pytest.raises(TypeError, match=told):
            await send(event)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (
            Restocked.model_construct(amount="many"),  # type: ignore[arg-type]  # the point
            "amount: Input should be a valid integer",
        ),
        (Restocked(amount=1, note="\0"), "NUL"),
    ],
)
def test_data_that_no_reader_takes_are_not_announced(
    restocked: Signal[Restocked], data: Restocked, told: str
) -> None:
    with pytest.raises(ValueError, match=f"no reader takes this Restocked: .*{told}"):
        restocked.check(data)


def test_a_signal_that_carries_nothing_takes_no_data() -> None:
    with pytest.raises(
        TypeError, match=r"leave the Restocked out, or declare .* carries=Restocked"
    ):
        Signal("checked").check(Restocked(amount=1))


def test_data_stand_in_the_body_and_are_read_from_it(restocked: Signal[Restocked]) -> None:
    message = encode(samples.event(signal="restocked", data=Restocked(amount=3)))
    assert message.routing_key == "catalog.product.restocked"
    assert message.headers["ce-type"] == "catalog.product.restocked.v1"
    assert b'"data":{"amount":3,"note":""}' in message.body
    read = decode(message.headers, message.body, contracts.Product, Restocked)
    assert read.data == Restocked(amount=3)
    admit(message.headers, message.body, lambda *_: restocked.kind)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b'"data":{"amount":"many"},', "the body's data.amount: Input should be a valid integer"),
        (b'"data":[3],', "the body's data: Input should be an object"),
        (b"", "the body's data: Field required"),
        (b'"data":{"amount":3,"amount":4},', "the name 'amount' twice"),
        (b'"data":{"amount":3,"more":NaN},', "NaN is no number"),
    ],
)
def test_data_that_are_not_the_signals_are_malformed(
    restocked: Signal[Restocked], data: bytes, told: str
) -> None:
    message = encode(samples.event(signal="restocked", data=Restocked(amount=3)))
    body = message.body.replace(b'"data":{"amount":3,"note":""},', data)
    assert body != message.body
    with pytest.raises(Malformed, match=told):
        admit(message.headers, body, lambda *_: restocked.kind)


def test_a_receiver_behind_the_bus_reads_what_the_signal_carries(
    restocked: Signal[Restocked],
) -> None:
    class Product(Contract):
        """What another team reads of it."""

        sender_name: ClassVar[str] = "catalog.product"

    @receiver(restocked, sender=Product)
    async def reorder(event: Event[Product, Restocked]) -> None: ...

    [found] = [each for each in queued_receivers if each.function is reorder]
    restocked.disconnect(reorder, Product)
    assert found.kind("catalog.product", "restocked")[:3] == ("restocked", Product, Restocked)
    [binding] = found.queue("shop").bindings
    assert binding.pattern == "catalog.product.restocked"


TYPED = """
from collections.abc import Sequence
from typing import Any
from pydantic import BaseModel
from services.catalog import models
from services.catalog.repositories.products import ProductRepository
import contracts
from heliograph.events.event import Event
from heliograph.signals.receiver import receiver
from heliograph.signals.signal import Signal, post_save

class Restocked(BaseModel, frozen=True):
    amount: int

restocked = Signal("restocked", sender=contracts.Product, carries=Restocked)
checked = Signal("checked", sender=contracts.Product)

@receiver(restocked, sender=contracts.Product)
async def right(event: Event[contracts.Product, Restocked]) -> None:
    print(event.data.amount)

@receiver(restocked, sender=contracts.Product, batch=10)
async def right_batch(events: Sequence[Event[contracts.Product, Restocked]]) -> None: ...

@receiver(restocked, sender=models.Product)
async def right_here(event: Event[models.Product, Restocked]) -> None: ...

@receiver(checked, sender=contracts.Product)
async def right_without(event: Event[contracts.Product]) -> None: ...

@receiver([restocked, checked, post_save], sender=contracts.Product)
async def right_any(event: Event[contracts.Product, Any]) -> None: ...

async def announce(products: ProductRepository, product: models.Product) -> None:
    await products.announce(restocked, product, Restocked(amount=3))
    await products.announce(checked, product)
"""


HEARD = "@receiver({}) async def wrong({}) -> None: ..."
ANNOUNCED = """
async def wrong(products: ProductRepository, product: models.Product) -> None:
    await products.announce({})
"""


@pytest.mark.parametrize(
    "wrong",
    [
        HEARD.format("restocked, sender=contracts.Product", "event: Event[contracts.Product]"),
        HEARD.format(
            "checked, sender=contracts.Product", "event: Event[contracts.Product, Restocked]"
        ),
        HEARD.format(
            "restocked, sender=models.Product", "event: Event[models.Product, models.Image]"
        ),
        HEARD.format(
            "restocked, sender=contracts.Product, batch=10",
            "events: Sequence[Event[contracts.Product]]",
        ),
        ANNOUNCED.format("restocked, product, 3"),
        ANNOUNCED.format("checked, product, Restocked(amount=3)"),
    ],
    ids=["none", "of a plain signal", "in the process", "in a batch", "sent", "sent in vain"],
)
def test_data_of_another_class_are_a_type_error(wrong: str) -> None:
    told, _, status = mypy.run(["--strict", "-c", TYPED + wrong.replace(") async", ")\nasync")])
    errors = [line for line in told.splitlines() if "error:" in line]
    assert status == 1
    assert len(errors) == 1, told
    assert "arg-type" in errors[0] or "Cannot infer" in errors[0]
