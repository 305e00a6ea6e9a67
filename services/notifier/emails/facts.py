"""Facts: all that an email says, before it is put into words."""

from typing import NamedTuple
from uuid import UUID

from services.notifier.models import Kind, Topic

SHOWN = 12
"""Products that one email shows; of others it tells how many there are."""

CONFIRM_HOURS = 48
"""For so long the link of a confirmation is valid."""


class Item(NamedTuple):
    """One product that an email tells of, as its event `sequence` left it; empty if none was heard.

    Prices are in minor units of `currency`, None where the email says nothing of them: nobody
    knows the minor unit of a currency that ISO 4217 does not list.
    """

    topic: Topic
    product_id: UUID
    sequence: str
    currency: str
    new_minor: int | None
    old_minor: int | None = None
    """Of a drop; None if there was none, as when a target was met already."""


class Facts(NamedTuple):
    """What all who get the same letter are told.

    A digest and several new products have up to `SHOWN` items, and `more` that are not shown. A
    confirmation has the `topic` that is asked for, and an item if it is of one product. The
    target (in minor units of `target_currency`) is that of the wish which the email answers.
    """

    kind: Kind
    items: tuple[Item, ...] = ()
    more: int = 0
    topic: Topic | None = None
    target_minor: int | None = None
    target_currency: str | None = None
    locale: str = "en"
