"""Senders: what sends a signal, and a sentence for whoever listens to what never will."""

import sys
from collections.abc import Iterable
from typing import Any, ClassVar

from sqlalchemy import FromClause

from heliograph.contract import Contract
from heliograph.errors import Misregistered
from heliograph.signals.announced import BUILT_IN, has_relations

_OF_REQUESTS = frozenset({"request_started", "request_finished", "got_request_exception"})


class Signalling:
    """Mixin for models whose changes are announced.

    `repository` names the class that announces them; the guard's error points to it.
    """

    repository: ClassVar[str]
    contract: ClassVar[type[Contract]]
    """What the model's events have as their instance; it names the sender on the bus."""


def several(named: object) -> tuple[Any, ...]:
    """What a receiver names, be it one or any number in a list."""
    if isinstance(named, Iterable) and not isinstance(named, type | str):
        return tuple(named)
    return (named,)


def check_sender(signal: str, sender: object, receiver: str) -> None:
    """Raise `Misregistered`, saying what to write, if `sender` can never send that signal."""
    if not isinstance(sender, type):
        complaint = _no_class(sender)
    elif issubclass(sender, Contract):
        complaint = _no_contract(signal, sender)
    elif signal in BUILT_IN:
        complaint = _no_model(signal, sender)
    elif signal in _OF_REQUESTS:
        complaint = _no_request(signal, sender)
    else:
        return
    if complaint:
        raise Misregistered(f"{receiver} would never be called: {complaint}")


def _no_class(sender: object) -> str:
    if isinstance(sender, str):
        return (
            f"{sender!r} is text, and a sender is a class: write sender=models.Product in the"
            " process, sender=contracts.Product behind the bus"
        )
    if isinstance(sender, FromClause):
        return (
            f"{sender} is a table, and a sender is a class: write its model; m2m_changed is sent by"
            " the model that has the relation, and event.field names that"
        )
    if isinstance(sender, list | tuple | set | frozenset):
        return "connect takes one sender: call it for each, or write @receiver(…, sender=[…])"
    return f"a sender is a class, not {_article(type(sender).__name__)}: write its class"


def _no_contract(signal: str, sender: type[Contract]) -> str:
    name = sender.__name__
    if signal in _OF_REQUESTS:
        return f"{signal} never leaves its process, and {name} is for what comes by the bus"
    if not hasattr(sender, "sender_name"):
        return f'{name} names no sender: write sender_name = "<service>.<noun>" in it'
    if signal in BUILT_IN and sender.flat:
        return (
            f"{name} is no row, so nobody saves or deletes it: write the signal that it comes with,"
            " or the contract of a row"
        )
    if signal == "m2m_changed" and sender.relations is not None and not sender.relations:
        return f"{name} has no relations: write the contract of the model that has the relation"
    return ""


def _no_model(signal: str, sender: type) -> str:
    name = sender.__name__
    if not issubclass(sender, Signalling) or not hasattr(sender, "__mapper__"):
        return (
            f"{name} sends no {signal}: write a model that is Signalling and has a table, or a"
            " Contract for what comes by the bus"
        )
    if signal == "m2m_changed" and not has_relations(sender):
        return f"{name} has no many-to-many relation: write the model that has it"
    return ""


def _no_request(signal: str, sender: type) -> str:
    # Where it is not loaded, nobody has the class.
    if sender is getattr(sys.modules.get("starlette.requests"), "Request", None):
        return ""
    return f"{signal} is sent by starlette.requests.Request alone: write that, or no sender"


def _article(noun: str) -> str:
    return f"an {noun}" if noun[:1] in "AEIOUaeiou" else f"a {noun}"
