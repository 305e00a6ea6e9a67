"""What an event tells, in a few words, as a person would say it."""

from collections.abc import Callable, Mapping
from typing import Any

import contracts
from heliograph import Event
from heliograph.text import printable

LONGEST = 300
"""Characters of a phrase."""
LONGEST_VALUE = 60
"""Characters of a value within it."""


def phrase(event: Event[Any]) -> str:
    """What happened: `price 19.99 → 14.99 EUR`, `created at 19.99 EUR`, `2 categories added`."""
    return _cut(_told(event), LONGEST)


def _told(event: Event[Any]) -> str:
    if event.action is not None:
        return _related(event)
    if event.signal in ("pre_delete", "post_delete"):
        return _deleted(event)
    if event.created:
        return _created(event.instance)
    if event.changes:
        return ", ".join(_changes(event.instance, event.changes))
    return "saved without a change" if event.signal in ("pre_save", "post_save") else event.signal


def _created(instance: object) -> str:
    if isinstance(instance, contracts.Product):
        return f"created at {instance.price} {instance.currency}"
    return f"added {_picture(instance)}" if isinstance(instance, contracts.Image) else "created"


def _deleted(event: Event[Any]) -> str:
    of = event.instance
    told = f"removed {_picture(of)}" if isinstance(of, contracts.Image) else "deleted"
    if event.cascade is None:
        return told
    return f"{told}, with its {_short(event.cascade.rpartition('.')[2])}"


def _picture(image: contracts.Image) -> str:
    """An image by its size, and by what it shows if that is known."""
    size = f"{image.width} × {image.height}"  # noqa: RUF001 - the sign of a size
    return f"image {_quoted(image.alt)}, {size}" if image.alt else f"image, {size}"


_DONE = {"add": "added", "remove": "removed", "clear": "removed"}


def _related(event: Event[Any]) -> str:
    """Of a relation the number and not the names, which the event does not tell."""
    field = _short(event.field or "relations")
    action = (event.action or "").rpartition("_")[2]
    done = _DONE.get(action, _short(event.action))
    if event.pk_set is None:
        return f"all {field} {done}"
    count = len(event.pk_set)
    return f"{count:,} {_singular(field) if count == 1 else field} {done}"


def _singular(plural: str) -> str:
    return plural[:-3] + "y" if plural.endswith("ies") else plural.removesuffix("s")


def _changes(instance: object, changes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    left = dict(changes)
    told = []
    if (price := left.pop("price", None)) is not None:
        told.append(_price(instance, price, left.pop("currency", None)))
    for name, change in left.items():
        before, after = change.get("from"), change.get("to")
        told.append(_PHRASES.get(name, _changed(name))(before, after))
    return told


def _price(instance: object, price: Mapping[str, Any], currency: Mapping[str, Any] | None) -> str:
    before, after = _short(price.get("from")), _short(price.get("to"))
    if currency is not None:
        before = f"{before} {_short(currency.get('from'))}"
        after = f"{after} {_short(currency.get('to'))}"
    elif isinstance(instance, contracts.Product):
        after = f"{after} {instance.currency}"
    return f"price {before} → {after}"


def _changed(name: str) -> Callable[[object, object], str]:
    """Tell of any field: its values, unless they are lists or objects."""

    def told(before: object, after: object) -> str:
        field = _short(name.replace("_", " "))
        if isinstance(before, list | dict) or isinstance(after, list | dict):
            return f"{field} changed"
        return f"{field} {_short(before)} → {_short(after)}"

    return told


def _text(name: str) -> Callable[[object, object], str]:
    """Tell of a text that is too long to be shown: whether it was added, changed or removed."""

    def told(before: object, after: object) -> str:
        if not before or not after:
            return f"{name} removed" if before else f"{name} added"
        return f"{name} changed"

    return told


def _words(name: str) -> Callable[[object, object], str]:
    return lambda before, after: f"{name} {_quoted(before)} → {_quoted(after)}"


_PHRASES: Mapping[str, Callable[[object, object], str]] = {
    "name": _words("renamed"),
    "sku": _changed("SKU"),
    "description": _text("description"),
    "alt": _words("alternative text"),
}


def _quoted(value: object) -> str:
    return f"“{_short(value)}”" if value else "nothing"


def _short(value: object) -> str:
    """A value in one line, without controls."""
    text = "nothing" if value is None or value == "" else printable(str(value), LONGEST)
    return _cut(
        " ".join("".join(c if c.isprintable() else " " for c in text).split()), LONGEST_VALUE
    )


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
