"""The second look: whether what somebody was to be told is still true, and may be told now.

It is taken when emails are claimed for sending, of all that waits for one person about one
thing: the new products, or the price of one product. It knows what the notifier has heard by
then, and what the person was told before; it asks nobody.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.notifier.emails.facts import SHOWN, Facts, Item
from services.notifier.models import Topic
from services.notifier.sending.evidence import Asked, Heard, Told, Waiting, Wanted
from services.notifier.sending.pace import HOUR, Pace

ENDED = "the subscription ended"
GONE = "the product is gone"
RISEN = "the price is no longer lower"
TOLD = "the price is no lower than the one that was told before"
COOLDOWN = "waits: this person was told of this product's price a while ago"
BURST = "waits: this person got several emails about new products within an hour"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of rows that belong together; each of them is in exactly one of its parts.

    With `facts` one email is sent now, for `lead`; with `until` all wait for that moment. `lead`
    is the oldest row that is left, and `told` are those whose fate it decides from now on.
    """

    cancelled: Mapping[int, str] = field(default_factory=dict)
    """Why, by the row's id."""
    lead: Waiting | None = None
    told: Sequence[int] = ()
    facts: Facts | None = None
    link: str = ""
    """The token in its links: of the subscription that it answers, or of the request."""
    until: datetime | None = None
    reason: str | None = None
    """Why they wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A second look at one moment, `now` by the database's clock."""

    pace: Pace
    now: datetime
    locale: str
    """Of those who named none."""

    def price(
        self,
        rows: Sequence[Waiting],
        wanted: Iterable[Wanted],
        told: Iterable[Told],
        product: Heard | None,
    ) -> Verdict:
        """Look again at the drops of one product's price that one person was to be told.

        `rows`, the oldest first; `told` are the emails about this price to this person. What came
        within the cool-down of one of those counts from the price that it told.
        """
        last = max(told, key=lambda each: each.told_at, default=None)
        ends = last and last.told_at + timedelta(seconds=self.pace.cooldown)
        wanted = [each for each in wanted if each.topic == "price_drop"]
        if not wanted:
            return nobody(rows, ENDED)
        if product is None or product.gone:
            return nobody(rows, GONE)
        if ends and self.now < ends:
            return _wait(rows, ends, COOLDOWN)
        if (again := _tried_again(rows)) > self.now:
            return _wait(rows, again)
        try:
            old = _price_before(rows, product, last, ends)
            answers = _answered(rows, wanted, product, fell=old is not None)
        except _NoLonger as reason:
            return nobody(rows, str(reason))
        facts = Facts(
            kind="price_drop",
            items=(_item("price_drop", product, old),),
            target_minor=answers.target_minor,
            target_currency=answers.currency,
            locale=answers.locale or self.locale,
        )
        return _send(rows, facts, answers.token)

    def news(
        self,
        rows: Sequence[Waiting],
        wanted: Iterable[Wanted],
        told: Iterable[Told],
        products: Mapping[UUID, Heard],
    ) -> Verdict:
        """Look again at the new products that one person was to be told of.

        `rows`, the oldest first; `told` are the emails about new products to this person.
        """
        answers = next((each for each in wanted if each.topic == "new_product"), None)
        if answers is None:
            return nobody(rows, ENDED)
        left: list[Waiting] = []
        items: list[Item] = []
        cancelled: dict[int, str] = {}
        for row in rows:
            product = row.product_id and products.get(row.product_id)
            if product and not product.gone:
                left.append(row)
                if len(items) < SHOWN:
                    items.append(_item("new_product", product))
            else:
                cancelled[row.id] = GONE
        if not left:
            return Verdict(cancelled=cancelled)
        hour = timedelta(seconds=HOUR)
        recent = sorted(
            (each.told_at for each in told if each.told_at > self.now - hour), reverse=True
        )
        if self.pace.burst and len(recent) >= self.pace.burst:
            return _wait(left, recent[self.pace.burst - 1] + hour, BURST, cancelled)
        if (again := _tried_again(left)) > self.now:
            return _wait(left, again, cancelled=cancelled)
        facts = Facts(
            kind="new_product",
            items=tuple(items),
            more=len(left) - len(items),
            locale=answers.locale or self.locale,
        )
        return _send(left, facts, answers.token, cancelled)

    def digest(
        self,
        row: Waiting,
        digest: Mapping[str, Any] | None,
        wanted: Sequence[Wanted],
        products: Mapping[UUID, Heard],
    ) -> Verdict:
        """Look again at what a digest was to tell.

        It says nothing of what is no longer true, or wanted: by topic, of this product or of all.
        """
        if digest is None:
            return nobody([row], "the digest is forgotten")
        wished = {(each.topic, each.product_id) for each in wanted}
        left = [
            each
            for each in digest["items"]
            if {(each["topic"], None), (each["topic"], UUID(each["product_id"]))} & wished
        ]
        if not left:
            return nobody([row], ENDED)
        items = []
        for each in left:
            product = products.get(UUID(each["product_id"]))
            if product is None or product.gone:
                continue
            old = each["old_minor"]
            if each["topic"] == "new_product":
                items.append(_item("new_product", product))
            elif product.currency == each["currency"] and (product.price_minor or 0) < old:
                items.append(_item("price_drop", product, old))
        if not items:
            return nobody([row], "nothing of it is true any longer")
        answers = next((each for each in wanted if each.id == row.subscription_id), wanted[0])
        facts = Facts(
            kind="digest",
            items=tuple(items[:SHOWN]),
            more=digest["more"] + len(items[SHOWN:]),
            locale=answers.locale or self.locale,
        )
        return _send([row], facts, answers.token)

    def confirmation(self, row: Waiting, asked: Asked | None, product: Heard | None) -> Verdict:
        """Look again at whether there still is something to confirm."""
        if asked is None or row.secret is None:
            return nobody([row], "the request is forgotten")
        if asked.confirmed_at is not None:
            return nobody([row], "it is confirmed already")
        if asked.expires_at <= self.now:
            return nobody([row], "the request has expired")
        facts = Facts(
            kind="confirmation",
            items=(_asked_for(row.product_id, asked, product),) if row.product_id else (),
            topic=asked.topic,
            target_minor=asked.target_minor,
            target_currency=asked.currency,
            locale=asked.locale or self.locale,
        )
        return _send([row], facts, row.secret)


class _NoLonger(Exception):
    """Why nobody is to be told."""


def _price_before(
    rows: Sequence[Waiting], product: Heard, last: Told | None, ends: datetime | None
) -> int | None:
    """From which price it fell to the newest; None if a target was met without a fall.

    A row that came before `ends`, the end of the cool-down of the `last` email, counts from the
    price which that told; any other from its own. The oldest from which it fell is told.
    """
    new = product.price_minor
    rows = [each for each in rows if each.currency == product.currency]
    if new is None or not rows:
        raise _NoLonger(f"the price is in {product.currency} now")
    told = last.told_minor if last and last.told_currency == product.currency else None
    follows = [told is not None and ends is not None and each.created_at < ends for each in rows]
    olds = [told if follow else each.old_minor for each, follow in zip(rows, follows, strict=True)]
    higher = next((old for old in olds if old is not None and old > new), None)
    if higher is None and None not in olds:
        raise _NoLonger(TOLD if any(follows) else RISEN)
    return higher


def _answered(
    rows: Sequence[Waiting], wanted: Sequence[Wanted], product: Heard, *, fell: bool
) -> Wanted:
    """The wish that the email answers: of those that are met the one that was noted first."""
    met = [
        each
        for each in wanted
        if each.product_id in (None, product.id) and _is_met(each, product, fell=fell)
    ]
    if not met:
        raise _NoLonger("the target is no longer met")
    return next((each for each in met if each.id == rows[0].subscription_id), met[0])


def _asked_for(product_id: UUID, asked: Asked, product: Heard | None) -> Item:
    """The product that a wish is of, heard of or not."""
    if product is not None:
        return _item(asked.topic, product)
    return Item(topic=asked.topic, product_id=product_id, sequence="", currency="", new_minor=None)


def _is_met(wanted: Wanted, product: Heard, *, fell: bool) -> bool:
    if wanted.target_minor is None:
        return fell
    price = product.price_minor
    return (
        wanted.currency == product.currency and price is not None and price <= wanted.target_minor
    )


def _item(topic: Topic, product: Heard, old: int | None = None) -> Item:
    return Item(
        topic=topic,
        product_id=product.id,
        sequence=product.sequence,
        currency=product.currency,
        new_minor=product.price_minor,
        old_minor=old,
    )


def _tried_again(rows: Sequence[Waiting]) -> datetime:
    """When the mail server is to be asked again, should it have put this person off."""
    return max((each.due_at for each in rows if each.attempts), default=rows[0].created_at)


def _send(
    rows: Sequence[Waiting], facts: Facts, link: str, cancelled: Mapping[int, str] | None = None
) -> Verdict:
    told = [each.id for each in rows[1:]]
    return Verdict(cancelled=cancelled or {}, lead=rows[0], told=told, facts=facts, link=link)


def _wait(
    rows: Sequence[Waiting],
    until: datetime,
    reason: str | None = None,
    cancelled: Mapping[int, str] | None = None,
) -> Verdict:
    return Verdict(
        cancelled=cancelled or {},
        lead=rows[0],
        told=[each.id for each in rows[1:]],
        until=until,
        reason=reason,
    )


def nobody(rows: Sequence[Waiting], reason: str) -> Verdict:
    """Nobody is to be told."""
    return Verdict(cancelled={each.id: reason for each in rows})
