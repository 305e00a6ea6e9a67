"""The catalog's own signals."""

from contracts import View
from heliograph import Signal

viewed = Signal("viewed", sender=View, buffered=True)
"""Somebody read a product.

In the process the sender is `models.Product`, but a read loads no row: `instance` is the product as
the reader was shown it, a `contracts.Product`. `snapshot` is a `contracts.View`.
"""
