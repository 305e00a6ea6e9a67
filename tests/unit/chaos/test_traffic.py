"""What a client makes of an answer."""

import httpx2
import pytest

from chaos.traffic import outcome
from services.catalog.errors import KeyInUse


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (None, "unknown"),
        (httpx2.Response(201), "ok"),
        (httpx2.Response(409, text="a product has this SKU"), "refused"),
        (httpx2.Response(409, text=str(KeyInUse())), "unknown"),
        (httpx2.Response(503), "unknown"),
    ],
)
def test_an_answer_says_whether_the_change_was_made(
    answer: httpx2.Response | None, meaning: str
) -> None:
    assert outcome(answer) == meaning
