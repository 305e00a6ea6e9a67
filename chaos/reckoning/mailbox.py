"""The mailbox: what the mail server took, as its readers see it."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from heliograph.money import to_minor
from heliograph.testing import Received

_PRICES = r"(?P<new>[\d,.]+ [A-Z]{3})(?: \(was (?P<old>[\d,.]+ [A-Z]{3})(?:, [^)]*)?\))?"
_PRICE_EMAIL = re.compile(rf"(?:Price drop|Target reached): (?P<name>.+) now {_PRICES}")
_ONE = re.compile(r"New: (?P<name>.+)")
_ITEM = re.compile(rf"^\* (?P<name>.+)$(?:\n+^  {_PRICES}$)?", re.MULTILINE)
_MORE = re.compile(r"^and (\d+) more$", re.MULTILINE)


class Money(NamedTuple):
    """An amount in minor units."""

    minor: int
    currency: str


class Shown(NamedTuple):
    """A product as an email shows it."""

    name: str
    new: Money | None
    old: Money | None


@dataclass(frozen=True)
class Email:
    """One email, however often it came."""

    message_id: str
    """Event and subscription, up to the `@`."""
    recipient: str
    date: datetime
    """When it was claimed, to the second."""
    copies: tuple[Received, ...]
    """In the order in which they came."""

    @property
    def subject(self) -> str:
        return str(self.copies[0].message["subject"])

    def shown(self) -> list[Shown]:
        """The products that it shows."""
        if found := _PRICE_EMAIL.fullmatch(self.subject) or _ONE.fullmatch(self.subject):
            return [_shown(found)]
        return [_shown(each) for each in _ITEM.finditer(self._text())]

    def more(self) -> int:
        """How many others it tells of."""
        found = _MORE.search(self._text())
        return int(found[1]) if found else 0

    def _text(self) -> str:
        body = self.copies[0].message.get_body(("plain",))
        return "" if body is None else str(body.get_content()).replace("\r\n", "\n")


def emails(received: Iterable[Received]) -> dict[str, Email]:
    """What came, by `Message-ID` up to its `@`."""
    copies: dict[str, list[Received]] = defaultdict(list)
    for each in sorted(received, key=lambda each: each.at):
        copies[str(each.message["message-id"]).strip("<> ").partition("@")[0]].append(each)
    return {
        message_id: Email(
            message_id,
            found[0].recipients[0],
            parsedate_to_datetime(str(found[0].message["date"])),
            tuple(found),
        )
        for message_id, found in copies.items()
    }


def _shown(found: re.Match[str]) -> Shown:
    groups = found.groupdict()
    return Shown(groups["name"], _money(groups.get("new")), _money(groups.get("old")))


def _money(text: str | None) -> Money | None:
    if text is None:
        return None
    amount, _, currency = text.partition(" ")
    return Money(to_minor(Decimal(amount.replace(",", "")), currency), currency)
