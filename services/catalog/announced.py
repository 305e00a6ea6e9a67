"""Which events the catalog announces."""

from contracts import Category, Image, Product, View
from heliograph.asyncapi import Announced

ANNOUNCED = (
    *(
        Announced(signal, sender)
        for sender in (Product, Image, Category)
        for signal in ("pre_save", "post_save", "pre_delete", "post_delete")
    ),
    Announced("m2m_changed", Product),
    Announced("viewed", View, ordered=False),
)
