"""A storm strikes by chance, from a seed, and counts what struck."""

import random
from collections import Counter
from typing import cast

import pytest

from chaos import storm
from chaos.faults.targets import Missed, Targets
from chaos.storm import Plan, Storm

NOTHING = cast("Targets", None)


async def strike(_targets: Targets, _rng: random.Random) -> None:
    """Break nothing."""


async def miss(_targets: Targets, _rng: random.Random) -> None:
    raise Missed


@pytest.fixture(autouse=True)
def faults(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = {"strikes": (strike, 1, "one"), "misses": (miss, 1, "other")}
    monkeypatch.setattr(storm, "FAULTS", faults)


async def blown(seconds: float = 0.3) -> Counter[str]:
    made = Storm(NOTHING, Plan(seed=7, seconds=seconds, rate=60_000))
    await made.blow()
    return made.hits


async def test_only_what_struck_counts() -> None:
    hits = await blown()
    assert hits["strikes"] > 0
    assert hits["misses"] == 0


async def test_a_storm_without_time_strikes_nothing() -> None:
    assert not await blown(seconds=0)
