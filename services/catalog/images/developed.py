"""What becomes of an upload: a picture and its smaller copies."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PictureVariant:
    """A smaller copy, in the format of the picture; sizes in pixels, never enlarged."""

    name: str
    data: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class DevelopedPicture:
    """A picture ready to be stored: upright, in sRGB, without metadata; sizes in pixels."""

    content_type: str
    extension: str
    data: bytes
    width: int
    height: int
    variants: tuple[PictureVariant, ...]
