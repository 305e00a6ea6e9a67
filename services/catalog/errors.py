"""What can go wrong in the catalog, as one tree; each message is a sentence for the client.

CatalogError
 ├─ NotFound            there is no such thing
 ├─ Conflict            it clashes with what is there
 │   ├─ SkuTaken        another product has that SKU
 │   ├─ KeyInUse        the request is under way, under the same idempotency key
 │   └─ TooManyImages   the product has as many images as it may
 ├─ KeyReused           the idempotency key stands for another payload
 ├─ UnknownCategory     a product shall stand in a category that is not there
 ├─ InvalidPrice        the price is no amount of its currency
 ├─ PreconditionFailed  the thing is no longer what the caller saw
 ├─ InvalidCursor       the place to go on from is not one that a page gave
 └─ PictureError        the upload cannot become a picture
     ├─ PictureTooLarge         too many bytes or pixels
     ├─ PictureTooCostly        too much time or memory
     ├─ PictureTypeUnsupported  not JPEG, PNG or WebP
     └─ PictureInvalid          damaged, truncated or empty
"""

from collections.abc import Iterable
from typing import Literal
from uuid import UUID

from heliograph import HeliographError


class CatalogError(HeliographError):
    """Any error of the catalog's own."""


class NotFound(CatalogError):
    """There is nothing under that id."""


class Conflict(CatalogError):
    """The change clashes with what is in the catalog."""


class SkuTaken(Conflict):
    """Another product, in the catalog or in the same batch, has that SKU."""

    def __init__(self, sku: str) -> None:
        super().__init__(f"another product has the SKU {sku}")
        self.sku = sku


class KeyInUse(Conflict):
    """A request under the same idempotency key has no answer yet."""

    def __init__(self) -> None:
        super().__init__("a request with this Idempotency-Key is under way: send it again later")


class TooManyImages(Conflict):
    """The product has as many images as a product may have."""

    def __init__(self, most: int) -> None:
        super().__init__(f"a product has at most {most} images: delete one first")


class KeyReused(CatalogError):
    """The idempotency key was used for another payload."""

    def __init__(self) -> None:
        super().__init__("Was used with another body: choose a new key")


class UnknownCategory(CatalogError):
    """The payload names categories that do not exist."""

    def __init__(self, category_ids: Iterable[UUID]) -> None:
        self.category_ids = frozenset(category_ids)
        super().__init__(f"there is no category {', '.join(sorted(map(str, self.category_ids)))}")


class InvalidPrice(CatalogError):
    """A price has more decimals than its currency, or is too large; `field` is what to change."""

    def __init__(self, reason: str, field: Literal["price", "currency"]) -> None:
        super().__init__(reason)
        self.field = field


class PreconditionFailed(CatalogError):
    """The version that the caller named is not the current one."""


class InvalidCursor(CatalogError):
    """The cursor was not given by a page of this list in this order."""

    def __init__(self) -> None:
        super().__init__("This is not the `next` of a page in this order.")


class PictureError(CatalogError):
    """An upload that cannot become a picture."""


class PictureTooLarge(PictureError):
    """The upload has more bytes or pixels than are accepted."""


class PictureTooCostly(PictureError):
    """To read the file and write it anew takes more time or memory than one picture is granted."""


class PictureTypeUnsupported(PictureError):
    """The bytes are not those of a JPEG, PNG or WebP file."""


class PictureInvalid(PictureError):
    """The bytes begin as a supported type does, but no picture can be read from them."""
