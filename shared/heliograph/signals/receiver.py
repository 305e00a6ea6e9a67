"""The decorator that connects a receiver to its signals."""

import itertools
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

import typing_extensions

from heliograph.errors import Misregistered, MissingCollaborator
from heliograph.events import Event
from heliograph.signals.collaborators import Collaborators
from heliograph.signals.senders import several
from heliograph.signals.signal import Signal

T = TypeVar("T")
D = typing_extensions.TypeVar("D", default=None)
P = ParamSpec("P")
R = TypeVar("R")
U = TypeVar("U")
F = TypeVar("F", bound=Callable[..., Any])


@overload
def receiver(
    signal: Signal[D] | Iterable[Signal[D]],
    sender: type[T],
    *,
    dispatch_uid: Hashable = None,
    ordered: bool = True,
    batch: None = None,
) -> Callable[
    [Callable[Concatenate[Event[T, D], P], R]], Callable[Concatenate[Event[T, D], P], R]
]: ...


@overload
def receiver(
    signal: Signal[D] | Iterable[Signal[D]],
    sender: type[T],
    *,
    dispatch_uid: Hashable = None,
    ordered: bool = True,
    batch: int,
) -> Callable[
    [Callable[Concatenate[Sequence[Event[T, D]], P], R]],
    Callable[Concatenate[Sequence[Event[T, D]], P], R],
]: ...


@overload
def receiver(
    signal: Signal[D] | Iterable[Signal[D]],
    sender: tuple[type[T], type[U]],
    *,
    dispatch_uid: Hashable = None,
    ordered: bool = True,
    batch: None = None,
) -> Callable[
    [Callable[Concatenate[Event[T, D] | Event[U, D], P], R]],
    Callable[Concatenate[Event[T, D] | Event[U, D], P], R],
]: ...


# Signals that differ in what they carry.
@overload
def receiver(
    signal: Iterable[Signal[Any]],
    *,
    sender: type[T],
    dispatch_uid: Hashable = None,
    ordered: bool = True,
    batch: None = None,
) -> Callable[
    [Callable[Concatenate[Event[T, Any], P], R]], Callable[Concatenate[Event[T, Any], P], R]
]: ...


@overload
def receiver(
    signal: Signal[D] | Iterable[Signal[D]],
    sender: Iterable[type[Any]],
    *,
    dispatch_uid: Hashable = None,
    ordered: bool = True,
    batch: None = None,
) -> Callable[
    [Callable[Concatenate[Event[Any, D], P], R]], Callable[Concatenate[Event[Any, D], P], R]
]: ...


@overload
def receiver(
    signal: Signal[D] | Iterable[Signal[D]],
    sender: Iterable[type[Any]],
    *,
    dispatch_uid: Hashable = None,
    ordered: bool = True,
    batch: int,
) -> Callable[
    [Callable[Concatenate[Sequence[Event[Any, D]], P], R]],
    Callable[Concatenate[Sequence[Event[Any, D]], P], R],
]: ...


@overload
def receiver(
    signal: Signal[D] | Iterable[Signal[D]],
    sender: None = None,
    *,
    dispatch_uid: Hashable = None,
) -> Callable[
    [Callable[Concatenate[Event[Any, D], P], R]], Callable[Concatenate[Event[Any, D], P], R]
]: ...


def receiver(
    signal: Signal[Any] | Iterable[Signal[Any]],
    sender: type | Iterable[type] | None = None,
    *,
    dispatch_uid: Hashable = None,
    ordered: bool = True,
    batch: int | None = None,
) -> Callable[[F], F]:
    """Connect the decorated function to one signal or to several, from one sender or several.

    `sender` says how far the signal carries: a class from `models` in the process and the
    transaction, one from `contracts` behind the bus, where the function's name is also its
    queue's and only `sender` and the signals decide its bindings. What the function asks
    for after the event is handed in by type.

    Behind the bus, `ordered=False` lets events of one subject run side by side, and
    `batch=n` hands over a list of up to `n` events that succeed or fail together; after a
    failure they come one by one.
    """
    signals = (signal,) if isinstance(signal, Signal) else several(signal)
    senders = several(sender)
    for each in signals or [signal]:
        if not isinstance(each, Signal):
            raise Misregistered(
                f"{each!r} is no signal: write @receiver(post_save, sender=…), with one of"
                " heliograph's signals or of your own, or a list of them"
            )
    if not senders:
        raise Misregistered("the list of senders is empty: write one, or none for anyone")

    def connect(function: F) -> F:
        for each, whose in itertools.product(signals, senders):
            each.connect(function, whose, dispatch_uid=dispatch_uid, ordered=ordered, batch=batch)
        return function

    return connect


def check_collaborators(signals: Iterable[Signal[Any]], collaborators: Collaborators) -> None:
    """Raise `MissingCollaborator` if a connected receiver asks for what `collaborators` lacks."""
    for signal in signals:
        for connection in signal:
            for kind in connection.needs:
                if kind not in collaborators:
                    raise MissingCollaborator(
                        f"{connection.function.__qualname__} listens to {signal.name} "
                        f"and asks for a {kind.__name__}, which nobody hands in"
                    )
