"""What an event tells, in a few words."""

from typing import Any

from heliograph import Event

LONGEST = 300
"""Characters of a phrase."""
LONGEST_VALUE = 60
"""Characters of a value within it."""


def phrase(event: Event[Any]) -> str:
    """What happened: `price 19.99 → 14.99`, `created`, `deleted`, `categories + 2`."""
    if event.changes:
        told = ", ".join(
            f"{name} {_short(change['from'])} → {_short(change['to'])}"
            for name, change in event.changes.items()
        )
    elif event.action is not None:
        count = "" if event.pk_set is None else f" {len(event.pk_set)}"
        told = f"{event.field} {event.action}{count}"
    elif event.created:
        told = "created"
    elif event.signal in ("pre_delete", "post_delete"):
        told = "deleted" if event.cascade is None else f"deleted with its {event.cascade}"
    else:
        told = event.signal
    return _cut(told, LONGEST)


def _short(value: object) -> str:
    text = "nothing" if value is None else str(value)
    return _cut(text, LONGEST_VALUE)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
