"""Signals and their receivers: Django's, async and typed.

The names, the sender filter, the order and `dispatch_uid` mean what they mean in
`django.dispatch`. What differs, and why:

* **Veto.** A receiver that raises in the process stops the write: `send` lets the
  exception pass and the transaction rolls back. `Refused` becomes a 409 with its reason.
* **Rollback.** What reaches other services was committed. `sender=models.Product` runs in
  the process and in the transaction, on the live row; `sender=contracts.Product` runs
  behind the bus, after the commit, on a frozen snapshot.
* **Bulk.** Every row of a bulk write sends its signals.
* **Strong references.** A receiver stays connected until `disconnect`; Django's weak
  references lose closures without a word.
* **Async.** A receiver is a coroutine function or a plain function. A plain one runs on
  the event loop and must not block it.
"""

import inspect
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import typing_extensions
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from heliograph.contract import Contract
from heliograph.errors import Misregistered, Refused
from heliograph.events import Event, EventKind, check_data
from heliograph.signals.announced import BUILT_IN, announced_signals, check_carries, check_name
from heliograph.signals.collaborators import NOBODY, Collaborators, needs
from heliograph.signals.queued import queued_receivers
from heliograph.signals.senders import check_sender

T = TypeVar("T")
D = typing_extensions.TypeVar("D", default=None)


@dataclass(frozen=True, slots=True)
class Connection:
    """One receiver's registration with one signal."""

    key: tuple[Hashable, type | None]
    function: Callable[..., Any]
    sender: type | None
    last: bool
    needs: tuple[type, ...]
    is_async: bool

    def call(self, event: Event[Any, Any], collaborators: Collaborators) -> Any:
        if self.needs:
            return self.function(event, *[collaborators[kind] for kind in self.needs])
        return self.function(event)


class Signal(Generic[D]):
    """A moment that receivers can listen to.

    A signal of one's own is one line: `Signal("checked")` stays in the process,
    `Signal("restocked", sender=contracts.Product, carries=Restocked)` reaches the bus too, where
    its name ends the routing key of its events.
    """

    def __init__(
        self,
        name: str = "",
        *,
        sender: type[Contract] | None = None,
        carries: type[D] | None = None,
        buffered: bool = False,
    ) -> None:
        """Declare a signal, which `sender`'s service announces on the bus.

        `carries` is a frozen pydantic model, whose instances are the events' `data`. Events of a
        `buffered` signal are sent outside a transaction, wait in a buffer that a crash loses, and
        have no order. Raises `Misregistered`.
        """
        check_name(name)
        check_carries(name, carries)
        if buffered and sender is None:
            raise Misregistered(
                f"{name}: buffered is how events reach the bus: name their sender too"
            )
        self.name = name
        self.sender = sender
        self.carries = carries
        self.buffered = buffered
        self._connections: list[Connection] = []
        self._by_sender: dict[type, tuple[Connection, ...]] = {}
        announced_signals.add(self)

    def __repr__(self) -> str:
        return f"<Signal {self.name}>"

    @property
    def kind(self) -> EventKind:
        """The kind of its events; only a signal with a sender has one."""
        if self.sender is None:
            raise Misregistered(
                f"{self.name} has no sender: declare it with Signal({self.name!r}, sender=…), "
                "a class from contracts"
            )
        return self._kind(self.sender)

    def _kind(self, contract: type[Contract]) -> EventKind:
        carried = cast("type[BaseModel] | None", self.carries)
        return EventKind(self.name, contract, carried, ordered=not self.buffered)

    def check(self, data: object) -> None:
        """Raise `TypeError` or `ValueError` unless these are data as the signal carries them."""
        if self.carries is None:
            if data is not None:
                raise TypeError(
                    f"{self.name} carries nothing: leave the {type(data).__name__} out, or declare "
                    f"the signal with carries={type(data).__name__}"
                )
            return
        carried = self.carries.__name__
        if not isinstance(data, self.carries):
            said = "nothing" if data is None else f"a {type(data).__name__}"
            raise TypeError(f"{self.name} carries a {carried}, not {said}: write {carried}(…)")
        try:
            check_data(cast("BaseModel", data), cast("type[BaseModel]", self.carries))
        except ValueError as error:
            raise ValueError(f"{self.name}: no reader takes this {carried}: {error}") from error

    def connect(
        self,
        function: Callable[..., Any],
        sender: type | None = None,
        *,
        dispatch_uid: Hashable = None,
        last: bool = False,
        ordered: bool = True,
        batch: int | None = None,
    ) -> None:
        """Call `function` with every event that `sender`, or anyone if None, sends from now on.

        A second registration under the same key (`dispatch_uid`, else the function, and the
        sender) changes nothing. Receivers run in the order of registration, those marked
        `last` after all others. `ordered` and `batch` are for senders behind the bus.
        """
        # An outbox hears all signals of a sender, whichever it sends.
        if sender is not None and not last:
            check_sender(self.name, sender, function.__qualname__)
        if isinstance(sender, type) and issubclass(sender, Contract):
            uid = function if dispatch_uid is None else dispatch_uid
            kind = self._heard_from(sender)
            queued_receivers.add(function, kind, key=uid, ordered=ordered, batch=batch)
            return
        if batch is not None or not ordered:
            raise Misregistered(
                f"{function.__qualname__}: batch and ordered are for senders from contracts"
            )
        key = (function if dispatch_uid is None else dispatch_uid, sender)
        if any(each.key == key for each in self._connections):
            return
        connection = Connection(
            key=key,
            function=function,
            sender=sender,
            last=last,
            needs=needs(function),
            is_async=_is_async(function),
        )
        self._connections.append(connection)
        self._connections.sort(key=lambda each: each.last)
        self._by_sender.clear()

    def disconnect(
        self,
        function: Callable[..., Any] | None = None,
        sender: type | None = None,
        *,
        dispatch_uid: Hashable = None,
    ) -> bool:
        """Undo `connect`; True if something was connected under that key."""
        if isinstance(sender, type) and issubclass(sender, Contract):
            uid = function if dispatch_uid is None else dispatch_uid
            return queued_receivers.remove(self._heard_from(sender), key=uid)
        key = (function if dispatch_uid is None else dispatch_uid, sender)
        kept = [each for each in self._connections if each.key != key]
        found = len(kept) < len(self._connections)
        self._connections = kept
        self._by_sender.clear()
        return found

    def _heard_from(self, sender: type[Contract]) -> EventKind:
        """The kind of what receivers behind the bus hear from there."""
        if self.name not in BUILT_IN and self.kind.contract.sender_name != sender.sender_name:
            raise Misregistered(
                f"{self.name} is announced for {self.kind.contract.sender_name}, never for "
                f"{sender.sender_name}: write sender={self.kind.contract.__name__}"
            )
        if self.name not in BUILT_IN and sender.contract_version > (
            newest := self.kind.contract.contract_version
        ):
            raise Misregistered(
                f"{self.name} is announced up to .v{newest}, and {sender.__name__} is "
                f".v{sender.contract_version}: write sender={self.kind.contract.__name__}"
            )
        return self._kind(sender)

    def has_listeners(self, sender: type | None = None, *, last: bool = True) -> bool:
        """True if an event of `sender` would reach anyone in this process.

        With `last=False` those connected last do not count: they look and alter nothing.
        """
        found = self._connections if sender is None else self._listeners(sender)
        return any(last or not each.last for each in found)

    async def send(
        self, event: Event[T, D], collaborators: Collaborators = NOBODY
    ) -> list[tuple[Callable[..., Any], Any]]:
        """Call the receivers one after another and return what each answered.

        The first exception ends it and passes to the caller, whose transaction then rolls
        back. `collaborators` holds what the receivers ask for besides the event.
        """
        try:
            sender = event.sender
        except AttributeError:
            raise self._no_event(event) from None
        if self.carries is not None and not isinstance(event.data, self.carries):
            self.check(event.data)
        event.signal = self.name
        responses: list[tuple[Callable[..., Any], Any]] = []
        try:
            for connection in self._by_sender.get(sender) or self._listeners(sender):
                answer = connection.call(event, collaborators)
                if connection.is_async:
                    answer = await answer
                responses.append((connection.function, answer))
        except Refused as refused:
            # Of events within events the outermost: it is what the caller asked for.
            refused.event = event
            raise
        return responses

    async def send_robust(
        self, event: Event[T, D], collaborators: Collaborators = NOBODY
    ) -> list[tuple[Callable[..., Any], Any]]:
        """Like `send`, but a receiver's exception is returned as its answer, not raised.

        With a session in `collaborators` each receiver runs in a savepoint, so that what a failing
        one wrote is undone and the transaction goes on.
        """
        if not isinstance(event, Event):
            raise self._no_event(event)
        if self.carries is not None and not isinstance(event.data, self.carries):
            self.check(event.data)
        event.signal = self.name
        responses: list[tuple[Callable[..., Any], Any]] = []
        session = collaborators.find(AsyncSession)
        for connection in self._listeners(event.sender):
            try:
                if session is None:
                    answer = await self._answer(connection, event, collaborators)
                else:
                    async with session.begin_nested():
                        answer = await self._answer(connection, event, collaborators)
            # Whatever a receiver raises is its answer: that is what the caller asked for.
            except Exception as error:  # noqa: BLE001
                answer = error
            responses.append((connection.function, answer))
        return responses

    asend, asend_robust = send, send_robust
    """Django's names for them."""

    def _no_event(self, given: object) -> TypeError:
        # A class would take the signal's name for an attribute of its own.
        return TypeError(
            f"{self.name} is sent as an event, not {given!r}: write"
            " await signal.send(Event(sender=Product, instance=product), session.collaborators)"
        )

    @staticmethod
    async def _answer(
        connection: Connection, event: Event[Any, Any], collaborators: Collaborators
    ) -> Any:
        answer = connection.call(event, collaborators)
        return await answer if connection.is_async else answer

    def _listeners(self, sender: type) -> tuple[Connection, ...]:
        found = self._by_sender.get(sender)
        if found is None:
            found = tuple(each for each in self._connections if each.sender in (None, sender))
            self._by_sender[sender] = found
        return found

    def __iter__(self) -> Iterator[Connection]:
        """Yield the connections within this process, in the order in which they run."""
        return iter(tuple(self._connections))


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - an instance with an async __call__
    )


pre_save = Signal("pre_save")
post_save = Signal("post_save")
pre_delete = Signal("pre_delete")
post_delete = Signal("post_delete")
m2m_changed = Signal("m2m_changed")
request_started = Signal("request_started")
request_finished = Signal("request_finished")
got_request_exception = Signal("got_request_exception")

MODEL_SIGNALS = (pre_save, post_save, pre_delete, post_delete, m2m_changed)
