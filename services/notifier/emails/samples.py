"""Samples: one letter of each kind, to try templates and mail servers with."""

import traceback
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from uuid import UUID

from jinja2 import TemplateSyntaxError

import contracts
from services.notifier.emails.composer import LARGEST, Composer
from services.notifier.emails.facts import SHOWN, Facts, Item
from services.notifier.emails.letter import CONFIRM, UNSUBSCRIBE, Addressee, Letter
from services.notifier.models import Topic

_NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
_SAMPLE = "sample"
_NAMES = ("Armchair", "Bookcase", "Candlestick", "Desk", "Easel", "Footstool", "Grandfather clock")


def _item(number: int, topic: Topic = "new_product", old_minor: int | None = None) -> Item:
    return Item(
        topic=topic,
        product_id=UUID(int=number),
        sequence="",
        currency="EUR",
        new_minor=12_900,
        old_minor=old_minor,
    )


SAMPLES: Mapping[str, Facts] = {
    "new product": Facts(kind="new_product", items=(_item(0),)),
    "new products": Facts(
        kind="new_product", items=tuple(_item(number) for number in range(SHOWN)), more=3
    ),
    "price drop": Facts(kind="price_drop", items=(_item(1, "price_drop", 14_900),)),
    "target met": Facts(
        kind="price_drop",
        items=(_item(2, "price_drop", 19_900),),
        target_minor=13_000,
        target_currency="EUR",
    ),
    "digest": Facts(
        kind="digest",
        items=(_item(3), _item(4, "price_drop", 15_900), _item(5, "price_drop", 25_000)),
    ),
    "confirmation": Facts(kind="confirmation", topic="new_product"),
}
"""An email of each kind, by what `mail test` calls it."""

_TRIED = (
    *SAMPLES.values(),
    Facts(
        kind="confirmation",
        topic="price_drop",
        items=(_item(2, "price_drop", 19_900),),
        target_minor=13_000,
        target_currency="EUR",
    ),
)


@cache
def sample_products(*, pictured: bool) -> Mapping[UUID, contracts.Product]:
    """What the samples are about, and nobody sells; the pictures are nowhere to be had."""
    return {UUID(int=number): _product(number, pictured=pictured) for number in range(SHOWN)}


def _product(number: int, *, pictured: bool) -> contracts.Product:
    link = f"https://shop.example/products/{number}"
    picture = {
        "id": UUID(int=number),
        "key": "sample.webp",
        "url": f"{link}/sample.webp",
        "content_type": "image/webp",
        "width": 640,
        "height": 480,
        "bytes": 20_000,
    }
    return contracts.Product.model_validate(
        {
            "id": UUID(int=number),
            "url": link,
            "sku": f"TEST-{number}",
            "name": f"{_NAMES[number % len(_NAMES)]} (a test)",
            "description": "Nobody sells this. It shows what an email of this kind looks like.",
            "price": "129.00",
            "currency": "EUR",
            "images": (picture,) if pictured else (),
            "version": 2,
            "created_at": _NOW,
            "updated_at": _NOW,
        }
    )


class BrokenTemplate(ValueError):
    """A template that cannot be rendered, or lacks what its email needs; says which and where."""


def sample_letters(composer: Composer) -> Iterator[tuple[Facts, Letter]]:
    """One letter of each kind, and of what its templates tell apart."""
    for facts in _TRIED:
        yield facts, composer.letter(facts, sample_products(pictured=True))


def try_templates(composer: Composer) -> None:
    """Write each sample; raises BrokenTemplate unless all can be sent."""
    for facts in _TRIED:
        try:
            _check(facts.kind, composer.letter(facts, sample_products(pictured=True)))
        except BrokenTemplate:
            raise
        # Whatever an expression in a template raises.
        except Exception as error:
            raise BrokenTemplate(f"{_place(error) or facts.kind}: {_line(error)}") from error


def _check(kind: str, letter: Letter) -> None:
    link, name = (
        (CONFIRM, "confirm_url") if kind == "confirmation" else (UNSUBSCRIBE, "unsubscribe_url")
    )
    for template, content in ((f"{kind}.txt.j2", letter.text), (f"{kind}.html.j2", letter.html)):
        if link not in content:
            raise BrokenTemplate(f"{template}: lacks {{{{ {name} }}}}")
    if letter.size > LARGEST:
        raise BrokenTemplate(f"{kind}: the email has more than {LARGEST:,} bytes")
    letter.to(
        Addressee(
            recipient="sample@shop.example",
            message_id="<sample@shop.example>",
            date=_NOW,
            token=_SAMPLE,
            secret=_SAMPLE,
        )
    )


def _place(error: Exception) -> str | None:
    """The file and the line of the template where the error arose; None if nobody knows."""
    if isinstance(error, TemplateSyntaxError):
        return f"{error.name}, line {error.lineno}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.endswith(".j2"):
            return f"{Path(frame.filename).name}, line {frame.lineno}"
    return None


def _line(error: Exception) -> str:
    return " ".join(f"{error}".split())[:300] or type(error).__name__
