"""The sentences of emails that templates do not hold: subjects, and what a wish is."""

from collections.abc import Mapping, Sequence
from gettext import NullTranslations

from services.notifier.emails.facts import Facts
from services.notifier.emails.prices import minor_price
from services.notifier.emails.shown import Shown
from services.notifier.emails.text import fitted

LOCALES = ("en",)
"""Language tags (BCP 47) that there are texts for."""

SUBJECT_LENGTH = 150
_NAMED = 2
"""Products that the subject of many names."""


class Words:
    """The sentences in one language; each ends up in plain text."""

    def __init__(self, texts: NullTranslations) -> None:
        self._texts = texts

    def subject(self, facts: Facts, items: Sequence[Shown], more: int) -> str:
        """One line of at most `SUBJECT_LENGTH` characters."""
        _ = self._texts.gettext
        if facts.kind == "confirmation":
            return _("Please confirm your subscription")
        if facts.kind == "digest":
            return self._digest(items, more)
        if facts.kind == "price_drop":
            return self._price_drop(items[0], target=self.target(facts) is not None)
        if len(items) + more == 1:
            return _fitted(_("New: {name}"), {"name": items[0].name})
        return self._new_products(items, more)

    def target(self, facts: Facts) -> str | None:
        """The target that was met; None if there was none."""
        if facts.target_minor is None or facts.target_currency is None:
            return None
        met = facts.kind == "confirmation" or any(
            item.currency == facts.target_currency
            and item.new_minor is not None
            and item.new_minor <= facts.target_minor
            for item in facts.items
        )
        return minor_price(facts.target_minor, facts.target_currency) if met else None

    def wish(self, facts: Facts, items: Sequence[Shown]) -> str:
        """What a confirmation asks for."""
        _ = self._texts.gettext
        if facts.topic == "new_product":
            return _("emails about new products")
        if not facts.items:
            return _("emails about lower prices of any product")
        name, target = items[0].name if items else _("one product"), self.target(facts)
        if target is None:
            return _("emails when the price of {name} falls").format(name=name)
        return _("an email when the price of {name} is {target} or less").format(
            name=name, target=target
        )

    def _price_drop(self, item: Shown, *, target: bool) -> str:
        _ = self._texts.gettext
        if item.price is None:
            pattern = _("Price drop: {name}")
        elif item.old_price is not None:
            pattern = (
                _("Target reached: {name} now {new} (was {old})")
                if target
                else _("Price drop: {name} now {new} (was {old})")
            )
        else:
            pattern = (
                _("Target reached: {name} now {new}")
                if target
                else _("Price drop: {name} now {new}")
            )
        return _fitted(pattern, {"name": item.name}, new=item.price, old=item.old_price)

    def _new_products(self, items: Sequence[Shown], more: int) -> str:
        # Languages have more plurals than English, so the count decides which pattern it is.
        many, count = self._texts.ngettext, len(items) + more
        names = {"first": items[0].name}
        if len(items) == 1:
            pattern = many(
                "{count} new product: {first} and {more} more",
                "{count} new products: {first} and {more} more",
                count,
            )
            return _fitted(pattern, names, count=count, more=more)
        names["second"] = items[1].name
        if count == _NAMED:
            pattern = many(
                "{count} new product: {first} and {second}",
                "{count} new products: {first} and {second}",
                count,
            )
            return _fitted(pattern, names, count=count)
        pattern = many(
            "{count} new product: {first}, {second} and {more} more",
            "{count} new products: {first}, {second} and {more} more",
            count,
        )
        return _fitted(pattern, names, count=count, more=count - _NAMED)

    def _digest(self, items: Sequence[Shown], more: int) -> str:
        _, many = self._texts.gettext, self._texts.ngettext
        drops = sum(item.topic == "price_drop" for item in items)
        new = len(items) - drops
        parts = []
        if drops:
            parts.append(
                many("{count} lower price", "{count} lower prices", drops).format(count=drops)
            )
        if new:
            parts.append(many("{count} new product", "{count} new products", new).format(count=new))
        told = ", ".join(parts)
        if more:
            return _("Your digest: {told} and {more} more").format(told=told, more=more)
        return _("Your digest: {told}").format(told=told)


def _fitted(pattern: str, names: Mapping[str, str], **rest: object) -> str:
    """The pattern with the names filled in, which share the room that it leaves."""
    taken = len(pattern.format(**dict.fromkeys(names, ""), **rest))
    room = (SUBJECT_LENGTH - taken) // len(names)
    short = {field: fitted("", name, "", room) for field, name in names.items()}
    return pattern.format(**short, **rest)
