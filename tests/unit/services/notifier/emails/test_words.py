import ast
import inspect
from gettext import NullTranslations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.emails import words
from services.notifier.emails.facts import Facts, Item
from services.notifier.emails.shown import shown
from services.notifier.emails.words import SUBJECT_LENGTH, Words
from tests.unit.services.notifier.emails.conftest import a_drop, a_product, an_item


def subject(facts: Facts, *names: str, texts: NullTranslations | None = None) -> str:
    items = [
        shown(item, a_product(name=name), "") for item, name in zip(facts.items, names, strict=True)
    ]
    return Words(texts or NullTranslations()).subject(facts, items, facts.more)


@pytest.mark.parametrize(
    ("items", "more", "names", "expected"),
    [
        (1, 0, ["Lamp"], "New: Lamp"),
        (1, 4, ["Lamp"], "5 new products: Lamp and 4 more"),
        (2, 0, ["Lamp", "Chair"], "2 new products: Lamp and Chair"),
        (3, 0, ["Lamp", "Chair", "Table"], "3 new products: Lamp, Chair and 1 more"),
        (2, 10, ["Lamp", "Chair"], "12 new products: Lamp, Chair and 10 more"),
    ],
)
def test_a_subject_counts_every_new_product(
    items: int, more: int, names: list[str], expected: str
) -> None:
    facts = Facts(kind="new_product", items=(an_item(),) * items, more=more)
    assert subject(facts, *names) == expected


@pytest.mark.parametrize(
    ("items", "more", "expected"),
    [
        ((a_drop(),), 0, "Your digest: 1 lower price"),
        ((an_item(),), 0, "Your digest: 1 new product"),
        ((a_drop(), a_drop(), an_item()), 0, "Your digest: 2 lower prices, 1 new product"),
        ((a_drop(), an_item()), 9, "Your digest: 1 lower price, 1 new product and 9 more"),
    ],
)
def test_the_subject_of_a_digest_counts_what_it_knows(
    items: tuple[Item, ...], more: int, expected: str
) -> None:
    facts = Facts(kind="digest", items=items, more=more)
    assert subject(facts, *["Lamp"] * len(items)) == expected


@pytest.mark.parametrize(
    ("item", "target", "expected"),
    [
        (a_drop(old_minor=1_999), None, "Price drop: Lamp now 14.99 EUR (was 19.99 EUR)"),
        (a_drop(old_minor=1_999), 1_499, "Target reached: Lamp now 14.99 EUR (was 19.99 EUR)"),
        (a_drop(old_minor=None), 1_499, "Target reached: Lamp now 14.99 EUR"),
        (a_drop(old_minor=None), None, "Price drop: Lamp now 14.99 EUR"),
    ],
)
def test_the_subject_of_a_price_drop_has_the_prices(
    item: Item, target: int | None, expected: str
) -> None:
    facts = Facts(
        kind="price_drop",
        items=(item,),
        target_minor=target,
        target_currency=None if target is None else "EUR",
    )
    assert subject(facts, "Lamp") == expected


@given(st.text(), st.text(), st.integers(0, 10**7))
def test_a_subject_is_one_short_line(first: str, second: str, more: int) -> None:
    for facts, names in (
        (Facts(kind="new_product", items=(an_item(), an_item()), more=more), (first, second)),
        (Facts(kind="new_product", items=(an_item(),), more=more), (first,)),
        (Facts(kind="price_drop", items=(a_drop(old_minor=10**15 - 1),)), (first,)),
        (Facts(kind="digest", items=(a_drop(), an_item()), more=more), (first, second)),
    ):
        line = subject(facts, *names)
        assert len(line.splitlines()) == 1
        assert len(line) <= SUBJECT_LENGTH


def test_braces_in_a_name_are_no_fields() -> None:
    facts = Facts(kind="price_drop", items=(a_drop(),))
    assert subject(facts, "{new} {0}").startswith("Price drop: {new} {0} now 14.99 EUR")


class Shouted(NullTranslations):
    """A language in which everything ends with `!`."""

    def gettext(self, message: str) -> str:
        return f"{message}!"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"{msgid1 if n == 1 else msgid2}!"


def test_every_subject_and_wish_goes_through_gettext() -> None:
    for facts in (
        Facts(kind="new_product", items=(an_item(),)),
        Facts(kind="new_product", items=(an_item(), an_item())),
        Facts(kind="price_drop", items=(a_drop(),)),
        Facts(kind="price_drop", items=(a_drop(),), target_minor=2_000, target_currency="EUR"),
        Facts(kind="digest", items=(a_drop(),)),
        Facts(kind="confirmation", topic="new_product"),
    ):
        assert subject(facts, *["Lamp"] * len(facts.items), texts=Shouted()).endswith("!")
    for topic in ("new_product", "price_drop"):
        facts = Facts(kind="confirmation", topic=topic)
        assert Words(Shouted()).wish(facts, []).endswith("!")


def test_what_is_translated_stands_where_tools_that_extract_it_look() -> None:
    calls = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(words)))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"_", "many"}
    ]
    assert len(calls) > 10
    for call in calls:
        texts = call.args[: 2 if ast.unparse(call.func) == "many" else 1]
        assert all(isinstance(text, ast.Constant) for text in texts), ast.unparse(call)
