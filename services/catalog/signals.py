"""The catalog's own signals."""

from shared.signals import Signal

viewed = Signal("viewed")
"""Somebody read a product. `instance` is the product, `snapshot` a `contracts.View`."""
