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
from services.notifier.emails.facts import Facts, Item
from services.notifier.emails.letter import CONFIRM, UNSUBSCRIBE, Addressee, Letter

_NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)


def _product(id: UUID, name: str) -> contracts.Product:
    link = f"https://shop.example/{id.int}"
    return contracts.Product.model_validate(
        {
            "id": id,
            "url": link,
            "sku": f"SAMPLE-{id.int}",
            "name": name,
            "description": "A sample.\nNothing is sold under this name.",
            "price": "14.99",
            "currency": "EUR",
            "images": (
                {
                    "id": id,
                    "key": "sample.webp",
                    "url": f"{link}/sample.webp",
                    "content_type": "image/webp",
                    "width": 640,
                    "height": 480,
                    "bytes": 20_000,
                },
            ),
            "version": 1,
            "created_at": _NOW,
            "updated_at": _NOW,
        }
    )


@cache
def _products() -> Mapping[UUID, contracts.Product]:
    return {each: _product(each, name) for each, name in _NAMES.items()}


_SAMPLE = "sample"
_NAMES = {UUID(int=1): "Lamp", UUID(int=2): "Chair", UUID(int=3): "Table"}
_NEW = tuple(
    Item(topic="new_product", product_id=each, sequence="", currency="EUR", new_minor=1_499)
    for each in _NAMES
)
_DROP = Item(
    topic="price_drop",
    product_id=UUID(int=1),
    sequence="",
    currency="EUR",
    new_minor=1_499,
    old_minor=1_999,
)
_SAMPLES = (
    Facts(kind="new_product", items=_NEW[:1]),
    Facts(kind="new_product", items=_NEW, more=2),
    Facts(kind="price_drop", items=(_DROP,)),
    Facts(kind="price_drop", items=(_DROP,), target_minor=1_500, target_currency="EUR"),
    Facts(kind="digest", items=(_DROP, *_NEW[1:]), more=2),
    Facts(kind="confirmation", topic="new_product"),
    Facts(
        kind="confirmation",
        topic="price_drop",
        items=(_DROP,),
        target_minor=1_500,
        target_currency="EUR",
    ),
)


class BrokenTemplate(ValueError):
    """A template that cannot be rendered, or lacks what its email needs; says which and where."""


def sample_letters(composer: Composer) -> Iterator[tuple[Facts, Letter]]:
    """One letter of each kind, and of what its templates tell apart."""
    for facts in _SAMPLES:
        yield facts, composer.letter(facts, _products())


def try_templates(composer: Composer) -> None:
    """Write each sample; raises BrokenTemplate unless all can be sent."""
    for facts in _SAMPLES:
        try:
            _check(facts.kind, composer.letter(facts, _products()))
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
