"""Signals that services announce: which there are, and what their events hold."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, RootModel
from sqlalchemy import inspect

from heliograph.contract import Contract, announced_as
from heliograph.errors import Misregistered
from heliograph.events import EventKind, routing_key

if TYPE_CHECKING:
    from heliograph.signals.signal import Signal

SAVE_AND_DELETE = ("pre_save", "post_save", "pre_delete", "post_delete")
BUILT_IN = (*SAVE_AND_DELETE, "m2m_changed")
"""Signals that models announce without a declaration."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,79}")


class AnnouncedSignals:
    """The signals that the imported modules have declared with a sender."""

    def __init__(self) -> None:
        self._by_key: dict[str, Signal[Any]] = {}

    def add(self, signal: "Signal[Any]") -> None:
        """Let the signal reach the bus; raise `Misregistered` if it cannot."""
        sender = signal.sender
        if sender is None:
            return
        _check(signal, sender)
        key = routing_key(sender.sender_name, signal.name)
        if key in self._by_key:
            raise Misregistered(
                f"{key} is declared already: import that signal, or choose another name"
            )
        self._by_key[key] = signal

    def remove(self, signal: "Signal[Any]") -> None:
        """Forget a signal, so that another may have its name."""
        self._by_key = {key: each for key, each in self._by_key.items() if each is not signal}

    def of(self, service: str) -> "tuple[Signal[Any], ...]":
        """Those that the service announces, whose sender's name begins with its own."""
        return tuple(each for key, each in self._by_key.items() if key.startswith(f"{service}."))


def _check(signal: "Signal[Any]", sender: object) -> None:
    name = signal.name
    if not (isinstance(sender, type) and issubclass(sender, Contract)):
        raise Misregistered(
            f"{name}: its sender is to be the contract that its events have as their instance, "
            f"such as contracts.Product, not {sender!r}"
        )
    if not hasattr(sender, "sender_name"):
        raise Misregistered(
            f"{name}: {sender.__name__} names no sender: give it a "
            'sender_name: ClassVar[str] = "<service>.<noun>"'
        )
    if name in BUILT_IN:
        raise Misregistered(
            f"{routing_key(sender.sender_name, name)} is announced for each model: "
            f"import heliograph's {name}, or choose another name"
        )
    if sender.flat and signal.carries is not None:
        raise Misregistered(
            f"{name}: {sender.__name__} is flat, its fields are the event's body: "
            "put there what the signal carries, and leave carries out"
        )


def check_name(name: str) -> None:
    """Raise `Misregistered` unless a signal may have that name."""
    if _NAME.fullmatch(name) is None:
        raise Misregistered(
            f"{name!r} is no name for a signal, which stands in the keys of its events: write"
            ' Signal("viewed"), with up to 80 small letters, digits and underscores, a letter first'
        )


def check_carries(name: str, carries: object) -> None:
    """Raise `Misregistered` unless a signal may carry that."""
    if carries is None or (
        isinstance(carries, type)
        and issubclass(carries, BaseModel)
        and not issubclass(carries, RootModel)
        and carries.model_config.get("frozen")
    ):
        return
    raise Misregistered(
        f"{name}: what it carries is to be a frozen pydantic model, not {carries!r}: "
        f"write class {name.capitalize()}(BaseModel, frozen=True)"
    )


def has_relations(model: type) -> bool:
    """Whether a mapped model has a many-to-many relation of its own to another."""
    mapper: Any = inspect(model)
    return any(each.secondary is not None for each in mapper.relationships)


def event_kinds(service: str, models: Iterable[type]) -> tuple[EventKind, ...]:
    """Every kind of event that a service announces, in each version.

    For each of its models, whose `contract` its events carry, saves and deletes, and
    `m2m_changed` if it has a relation of its own to another; then the signals that it declares.
    """
    kinds = []
    for model in models:
        contract: type[Contract] = model.contract  # type: ignore[attr-defined]  # signalling ones
        names = list(SAVE_AND_DELETE)
        if has_relations(model):
            names.append("m2m_changed")
        kinds += [EventKind(name, contract) for name in names]
    kinds += [each.kind for each in announced_signals.of(service)]
    return tuple(
        kind._replace(contract=version) for kind in kinds for version in announced_as(kind.contract)
    )


announced_signals = AnnouncedSignals()
