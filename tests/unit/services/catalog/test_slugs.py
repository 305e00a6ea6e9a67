import re

import pytest

from services.catalog.slugs import LONGEST, SLUG, slug_of


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Lamps", "lamps"),
        ("  Desk lamps & more! ", "desk-lamps-more"),
        ("Café Ñandú", "cafe-nandu"),
        ("--a__b--", "a-b"),
        ("4K", "4k"),
        ("照明", ""),
        ("!?", ""),
        ("x" * 99 + " y", "x" * 99),
    ],
)
def test_a_name_becomes_a_slug(name: str, slug: str) -> None:
    assert slug_of(name) == slug
    assert not slug or (re.fullmatch(SLUG, slug) and len(slug) <= LONGEST)
