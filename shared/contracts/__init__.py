"""What the services of this repository publish: the snapshots that their events carry.

A service of another repository need not install this: it reads the same events by a contract
of its own, with the fields that it needs.
"""

from contracts.category import Category
from contracts.fields import Price
from contracts.product import Image, Picture, Product, Variant
from contracts.view import View, viewed

__all__ = ["Category", "Image", "Picture", "Price", "Product", "Variant", "View", "viewed"]
