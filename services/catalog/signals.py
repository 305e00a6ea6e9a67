"""The catalog's own signals."""

from heliograph import Signal

viewed = Signal("viewed")
"""Somebody read a product. `instance` is the product, without its categories; `snapshot` is a
`contracts.View`."""
