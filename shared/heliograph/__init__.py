"""Django's signals, carried between services: the words that a service is written in.

Each name is loaded when it is first asked for, so that a program pays for what it uses. What
belongs to one side of a service has a room of its own: `heliograph.signals`, `.events`, `.bus`,
`.database`, `.outbox`, `.inbox`, `.storage`, `.http`, `.web`, `.service`, `.cli`, `.testing`.
The modules beside the rooms, such as `heliograph.settings`, are for everybody.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heliograph.contract import Changes, Contract, Instant
    from heliograph.errors import (
        BusError,
        BusUnavailable,
        CannotAnnounce,
        DatabaseUnavailable,
        Deadlock,
        EventTooLarge,
        HeliographError,
        InvalidSetting,
        Malformed,
        MessageRefused,
        MigrationBlocked,
        Misregistered,
        MissingCollaborator,
        MissingExtra,
        Park,
        Refused,
        SchemaNotCurrent,
        Unannounced,
    )
    from heliograph.events import Event
    from heliograph.signals import (
        Signal,
        got_request_exception,
        m2m_changed,
        post_delete,
        post_save,
        pre_delete,
        pre_save,
        receiver,
        request_finished,
        request_started,
    )

__version__ = "0.1.0"

__all__ = [  # noqa: RUF022 - in groups
    # Signals and their receivers
    "Signal",
    "receiver",
    "pre_save",
    "post_save",
    "pre_delete",
    "post_delete",
    "m2m_changed",
    "request_started",
    "request_finished",
    "got_request_exception",
    # What receivers are given
    "Event",
    "Contract",
    "Changes",
    "Instant",
    # What receivers raise
    "Refused",
    "Park",
    # Errors
    "HeliographError",
    "BusError",
    "BusUnavailable",
    "MessageRefused",
    "CannotAnnounce",
    "DatabaseUnavailable",
    "Deadlock",
    "EventTooLarge",
    "InvalidSetting",
    "Malformed",
    "MigrationBlocked",
    "Misregistered",
    "MissingCollaborator",
    "MissingExtra",
    "SchemaNotCurrent",
    "Unannounced",
    "__version__",
]

_HOMES = ("heliograph.errors", "heliograph.contract", "heliograph.events", "heliograph.signals")
"""Where the names are, those that load the least first."""


if not TYPE_CHECKING:  # or any name would be there to a type checker

    def __getattr__(name: str) -> object:
        if name in __all__:
            for home in _HOMES:
                found = getattr(import_module(home), name, None)
                if found is not None:
                    globals()[name] = found
                    return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
