"""The errors of the signal library, as one tree.

HeliographError
 ├─ Refused            a receiver in the process said no: nothing is written
 ├─ Park               a receiver behind the bus gave up: no further attempt
 ├─ Malformed          a message that cannot be read as an event
 ├─ EventTooLarge      an event whose body is larger than events may be: its change is refused
 ├─ Unannounced        a write to a signalling model that no repository announced
 ├─ CannotAnnounce     a signal that cannot be announced there, then, or for that row
 ├─ MissingCollaborator a receiver asks for a type that nobody hands in
 ├─ Misregistered      a receiver that cannot be registered, or a signal declared, as it is written
 ├─ BusError
 │   ├─ BusUnavailable the broker is away, blocked or does not answer in time
 │   └─ MessageRefused the broker will not have a message, whenever it is sent
 ├─ DatabaseUnavailable the database is away or does not answer in time
 │   └─ Deadlock       two transactions waited for each other; the database undid this one
 ├─ SchemaNotCurrent   the database lacks a migration
 ├─ MigrationBlocked   others keep locks that a migration needs
 ├─ InvalidSetting     a setting that is unknown, missing or malformed
 └─ MissingExtra       a library that one of our extras brings is not installed
"""

from collections.abc import Collection
from typing import Any, ClassVar, Literal

State = Literal["away", "missing", "failed"]
"""What readiness says of a thing that does not work."""


class HeliographError(Exception):
    """Any error that Heliograph raises of its own."""

    state: ClassVar[State] = "failed"
    """All that strangers are told when a health check raises it; the message is for the log."""


class Refused(HeliographError):
    """Raised by a receiver in the process to veto a write.

    The transaction rolls back and the caller gets 409 with this message as the detail.
    """

    event: Any = None
    """The `Event` to which it is the answer; `Signal.send` fills it in."""


class Park(HeliographError):
    """Raised by a receiver behind the bus to set its event aside at once, with this reason.

    Of several in a batch each comes again alone, so that the one it is about is set aside.
    """


class Malformed(HeliographError):
    """A message that is not one of our events; the message says what is wrong with it."""


class EventTooLarge(HeliographError):
    """An event whose body is larger than events may be; the change that it announces is undone.

    `subject` is what the event is about, as `ce-subject` says it; sizes are in bytes.
    """

    def __init__(self, subject: str, size: int, most: int) -> None:
        super().__init__(
            f"the event about {subject} would have {size:,} bytes, and {most:,} are the most"
        )
        self.subject = subject
        self.size = size
        self.most = most


class Unannounced(HeliographError):
    """A write to a signalling model that would have gone out without its signals."""


class CannotAnnounce(HeliographError):
    """A signal that cannot be announced there, then, or for that row; the message says why."""


class MissingCollaborator(HeliographError):
    """A receiver's parameter has a type for which the program has no object."""


class Misregistered(HeliographError):
    """A receiver, or a signal, whose signature, name or options do not allow its registration."""


class BusError(HeliographError):
    """Anything that goes wrong between us and the broker."""


class BusUnavailable(BusError):
    """The broker is away, blocked, or did not answer within its deadline.

    `taken` are the ids of those of the messages sent together that it had taken over by then;
    what became of the others is not known.
    """

    state: ClassVar[State] = "away"

    def __init__(self, reason: str, taken: Collection[str] = ()) -> None:
        super().__init__(reason)
        self.taken = frozenset(taken)


class MessageRefused(BusError):
    """The broker will not have one of the messages sent together, for what that message is.

    It does not say which: one that is not among `taken`, the ids of those that it had taken over
    by then. Of the others some may arrive yet.
    """

    def __init__(self, reason: str, taken: Collection[str] = ()) -> None:
        super().__init__(reason)
        self.taken = frozenset(taken)


class DatabaseUnavailable(HeliographError):
    """The database is away, restarting, or did not answer within its deadline."""

    state = "away"


class Deadlock(DatabaseUnavailable):
    """Two transactions waited for each other, and the database undid this one: try again."""


class SchemaNotCurrent(HeliographError):
    """The database lacks a migration that this program needs; `migrate` applies it."""


class MigrationBlocked(HeliographError):
    """Others keep locks that a migration needs; the message names them, in one line."""


class InvalidSetting(HeliographError):
    """A setting that is unknown, missing or malformed; the message names it, in one line."""


class MissingExtra(HeliographError, ImportError):
    """A library that one of our extras brings is not installed; the message names the extra."""
