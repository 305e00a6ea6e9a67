"""Events in the versions of their contracts: announced in several, and older ones brought up.

An event that is announced in several versions is one message for each, about the same event: the
oldest has the event's own id, each later one an id of its own, and says whose copy it is.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from heliograph.contract import Changes, Contract, announced_as, lineage
from heliograph.errors import Malformed
from heliograph.events.event import Event

C = TypeVar("C", bound=Contract)

FieldNames = tuple[str, ...]


class LaterVersion(Malformed):
    """A copy in a later version than is read here, of an event that comes in one that is, too."""


def versions(event: Event[Any]) -> Sequence[Event[Any]]:
    """Give the event in each version in which it is announced, the newest first.

    Raises `TypeError` for a `downcast` that gives something else than `before`'s snapshot.
    """
    if event.snapshot is None:
        return (event,)
    found = [event]
    for _ in announced_as(type(event.snapshot))[1:]:
        found.append(_down(found[-1]))
    return found


def _down(event: Event[Any]) -> Event[Any]:
    newer: Any = event.snapshot
    older = _older(newer)
    original = None if event.original is None else _older(event.original)
    changes, update_fields = reworded(
        event.changes, event.update_fields, type(newer), original, older
    )
    return replace(
        event,
        snapshot=older,
        original=original,
        changes=changes,
        update_fields=update_fields,
        content=None,
    )


def _older(snapshot: Any) -> Contract:
    older: Contract = snapshot.downcast()
    if type(older) is not snapshot.before or older.subject != snapshot.subject:
        raise TypeError(
            f"{type(snapshot).__name__}.downcast must give a {snapshot.before.__name__} about "
            f"{snapshot.subject}, and gave {older!r:.200}"
        )
    return older


def written_as(contract: type[Contract], version: int, besides: int | None) -> type[Contract]:
    """Find the contract of a version whose events are read as this contract's.

    `besides` is the oldest version in which the event was announced too, if there is one. Raises
    `LaterVersion` if the event comes in a version that is read, `Malformed` if it does not.
    """
    for each in lineage(contract):
        if each.contract_version == version:
            return each
    newest = contract.contract_version
    if version < newest:
        oldest = lineage(contract)[-1]
        raise Malformed(
            f"ce-type ends in .v{version}, and nothing older is read here than {oldest.__name__}, "
            f".v{oldest.contract_version}: name the contract before that as its `before`"
        )
    if besides is not None and besides <= newest:
        raise LaterVersion(
            f"ce-type ends in .v{version}, and nothing newer is read here than "
            f"{contract.__name__}, .v{newest}, in which the event comes too"
        )
    raise Malformed(
        f"ce-type ends in .v{version}, and nothing newer is read here than {contract.__name__}, "
        f".v{newest}: listen to a contract of that version"
    )


def brought_up(snapshot: Contract, contract: type[C]) -> C:
    """Make a snapshot of this contract of one of a version before it, a version at a time.

    Raises `Malformed` if an `upcast` fails.
    """
    if isinstance(snapshot, contract):
        return snapshot
    if contract.before is None:
        raise TypeError(f"{type(snapshot).__name__} is no version of {contract.__name__}")
    older = brought_up(snapshot, contract.before)
    try:
        return contract.upcast(older)
    # Whatever it raises, it would raise again: the event waits for one that can.
    except Exception as error:
        raise Malformed(
            f"{contract.__name__}.upcast fails: {type(error).__name__}: {error}"
        ) from error


def reworded(
    changes: Changes | None,
    update_fields: FieldNames | None,
    spoken: type[Contract],
    original: Contract | None,
    instance: Contract,
) -> tuple[Changes | None, FieldNames | None]:
    """Say what changed in the words of the snapshots' version instead of those of `spoken`.

    Fields that `spoken` does not have are told as they were.
    """
    if changes is None or original is None:
        return changes, update_fields
    kept = {name: change for name, change in changes.items() if name not in spoken.model_fields}
    changes = kept | original.changes_to(instance)
    return changes, None if update_fields is None else tuple(changes)
