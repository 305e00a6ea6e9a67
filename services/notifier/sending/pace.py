"""How often people are written to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What a person is spared; all but `burst` in seconds, and 0 is off."""

    cooldown: float = 3600.0
    """Within it a person gets one email about the price of a product."""
    settle: float = 2.0
    """New products of which a person is to be told within it go as one email."""
    burst: int = 5
    """Most emails about new products that a person gets within `HOUR`."""


HOUR = 3600.0
"""Seconds in which `Pace.burst` emails may go to a person."""
