"""How long services may take."""

from services.console.peers import DEADLINE_S
from services.console.way.asking import ENOUGH_S


def test_a_page_stands_within_two_seconds_whoever_is_slow() -> None:
    assert max(DEADLINE_S, ENOUGH_S) < 2
