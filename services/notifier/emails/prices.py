"""Prices, as people read them."""

from decimal import ROUND_HALF_UP, Decimal

from heliograph.money import from_minor


def price(amount: Decimal, currency: str) -> str:
    """The amount in the currency's major unit: `1,299.00 EUR`."""
    return f"{amount:,f} {currency}"


def minor_price(minor: int, currency: str) -> str:
    """As `price`, of minor units; ValueError if ISO 4217 does not list the currency."""
    return price(from_minor(minor, currency), currency)


def percentage(old_minor: int, new_minor: int) -> str:
    """By how much the price fell: 25 per cent, with a minus sign.

    Rounded to whole per cents, but never to none for a fall, nor to all unless it is free.
    """
    exact = Decimal(100 * (old_minor - new_minor)) / old_minor
    rounded = int(exact.quantize(Decimal(1), ROUND_HALF_UP))
    if new_minor > 0:
        rounded = min(max(rounded, 1), 99)
    return f"\N{MINUS SIGN}{rounded} %"
