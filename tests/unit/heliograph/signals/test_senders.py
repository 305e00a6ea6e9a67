"""A sender that can never send is met where it is written, with a sentence."""

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from starlette.requests import Request

import contracts
from heliograph import (
    Contract,
    Event,
    Misregistered,
    Signal,
    got_request_exception,
    m2m_changed,
    post_save,
    receiver,
    request_started,
)
from heliograph.signals import MODEL_SIGNALS, Signalling, queued_receivers
from services.catalog import models


class Row:
    """A class without signals."""


class Draft(Signalling):
    """Announced, as it says, but without a table."""


class Nameless(Contract):
    """A contract of nobody's events."""


class Stranger(Contract):
    """Another team's contract for the catalog's products; it says nothing of relations."""

    sender_name: ClassVar[str] = "catalog.product"


class MyRequest(Request):
    """A subclass, which nobody sends."""


async def react(event: Event[Any]) -> None: ...


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    for signal in (*MODEL_SIGNALS, request_started):
        for each in list(signal):
            if each.function is react:
                signal.disconnect(react, each.sender)
    for queued in queued_receivers:
        if queued.function is react:
            for kind in queued.listens:
                queued_receivers.remove(kind, key=react)


NEVER: list[tuple[Signal, Any, str]] = [
    (post_save, "catalog.Product", r"'catalog.Product' is text.*write sender=models.Product"),
    (m2m_changed, models.product_category, r"product_category is a table.* write its model"),
    (post_save, models.Product.categories, "not an InstrumentedAttribute: write its class"),
    (post_save, models.Product(), "not a Product: write its class"),
    (post_save, Row, r"Row sends no post_save: write a model that is Signalling.*or a Contract"),
    (post_save, models.Viewer, "Viewer sends no post_save"),
    (post_save, Draft, "Draft sends no post_save"),
    (post_save, contracts.Picture, "Picture sends no post_save"),
    (post_save, contracts.View, "View is no row.*write the signal that it comes with"),
    (post_save, Nameless, r"Nameless names no sender: write sender_name"),
    (m2m_changed, models.Category, "Category has no many-to-many relation: write the model"),
    (m2m_changed, contracts.Category, "Category has no relations: write the contract"),
    (request_started, Row, r"sent by starlette.requests.Request alone"),
    (request_started, MyRequest, r"sent by starlette.requests.Request alone"),
    (got_request_exception, Row, r"sent by starlette.requests.Request alone"),
    (request_started, contracts.Product, "request_started never leaves its process"),
    (Signal("own"), "models.Product", "is text"),
]


@pytest.mark.parametrize(("signal", "sender", "told"), NEVER, ids=range(len(NEVER)))
def test_a_sender_that_can_never_send_is_met_with_what_to_write(
    signal: Signal, sender: Any, told: str
) -> None:
    with pytest.raises(Misregistered, match=f"react would never be called: .*{told}"):
        receiver(signal, sender=sender)(react)
    assert not signal.has_listeners(last=False)


@pytest.mark.parametrize(
    ("signal", "sender"),
    [
        *((each, models.Product) for each in MODEL_SIGNALS),
        *((each, contracts.Product) for each in MODEL_SIGNALS),
        (post_save, models.Category),
        (post_save, contracts.Image),
        (m2m_changed, Stranger),
        (request_started, Request),
        (contracts.viewed, contracts.View),
        (Signal("own"), Row),
        (post_save, None),
    ],
)
def test_what_sends_is_taken(signal: Signal, sender: Any) -> None:
    receiver(signal, sender=sender)(react)


@pytest.mark.parametrize("kind", [list, tuple, set, iter])
def test_a_list_of_senders_is_taken_as_several(kind: Any) -> None:
    receiver(post_save, sender=kind([models.Product, models.Image, models.Category]))(react)
    found = {each.sender for each in post_save if each.function is react}
    assert found == {models.Product, models.Image, models.Category}


def test_of_several_senders_each_can_send() -> None:
    with pytest.raises(Misregistered, match="Picture sends no post_save"):
        receiver(post_save, sender=[contracts.Product, contracts.Picture])(react)


def test_connect_takes_one_sender_and_says_so() -> None:
    with pytest.raises(Misregistered, match="connect takes one sender: call it for each"):
        post_save.connect(react, [models.Product, models.Image])  # type: ignore[arg-type]


def test_a_receiver_of_nothing_is_no_receiver() -> None:
    with pytest.raises(Misregistered, match="the list of senders is empty"):
        receiver(post_save, sender=[])
    with pytest.raises(Misregistered, match=r"\[\] is no signal: write @receiver"):
        receiver([], sender=models.Product)


@pytest.mark.parametrize("signal", ["post_save", react, [post_save, "post_delete"]])
def test_what_is_no_signal_is_met_with_what_to_write(signal: Any) -> None:
    with pytest.raises(Misregistered, match=r"is no signal: write @receiver\(post_save"):
        receiver(signal)


def test_the_sender_may_stand_behind_the_signal() -> None:
    @receiver(post_save, models.Product)
    async def note(event: Event[models.Product]) -> None: ...

    assert post_save.disconnect(note, models.Product)
