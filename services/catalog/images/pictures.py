"""Uploaded pictures: judged by their bytes, decoded once, written anew.

What is kept is a fresh encoding of the pixels: metadata (EXIF with its GPS position, XMP,
comments, colour profiles) and anything appended to the file stay behind. `Darkroom` runs this
in processes that may be killed.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from types import MappingProxyType

from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from services.catalog.errors import (
    PictureInvalid,
    PictureTooCostly,
    PictureTooLarge,
    PictureTypeUnsupported,
)
from services.catalog.images import jpeg, png, webp
from services.catalog.images.colours import half, in_srgb, with_transparent_colour, without_palette
from services.catalog.images.developed import DevelopedPicture, PictureVariant
from services.catalog.images.essence import DAMAGED, Essence

MAX_PIXELS = 25_000_000
# Beyond it, good compression takes too long.
THOROUGH_PIXELS = 3_000_000

#: The smaller copies made of every picture: name to the longest side, in pixels.
VARIANTS: Mapping[str, int] = MappingProxyType({"thumbnail": 320, "preview": 960})

# What each orientation of EXIF asks for.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class _Format:
    """How one type of file is known, opened and written."""

    name: str
    content_type: str
    extension: str
    read: Callable[[bytes], Essence]
    # The plugins are called directly: Image.open would judge the size by limits of its own.
    open: Callable[[io.BytesIO], ImageFile]
    # The modes that are written as they are; others become RGB or RGBA.
    modes: frozenset[str]
    max_pixels: int
    max_side: int
    # How a small picture is written, and a large one.
    thorough: Mapping[str, object]
    quick: Mapping[str, object]

    def encode(self, image: Image.Image) -> bytes:
        output = io.BytesIO()
        small = image.width * image.height <= THOROUGH_PIXELS
        try:
            image.save(output, self.name, **(self.thorough if small else self.quick))
        # What Pillow raises when libwebp gets no memory; nothing else is wrong with these pixels.
        except (OSError, ValueError) as error:
            raise MemoryError(str(error)) from error
        return output.getvalue()


# Not progressive: that takes half as long again, and twice the memory.
_JPEG = _Format(
    "JPEG",
    "image/jpeg",
    "jpg",
    jpeg.read,
    JpegImageFile,
    frozenset({"L", "RGB"}),
    MAX_PIXELS,
    65_500,
    {"quality": 85},
    {"quality": 85},
)
_PNG = _Format(
    "PNG",
    "image/png",
    "png",
    png.read,
    PngImageFile,
    frozenset({"1", "L", "LA", "P", "RGB", "RGBA"}),
    MAX_PIXELS,
    # Each row costs memory of its own, however short it is: 25 million rows 200 MB.
    65_535,
    {"compress_level": 6},
    {"compress_level": 1},
)
_WEBP = _Format(
    "WEBP",
    "image/webp",
    "webp",
    webp.read,
    WebPImageFile,
    frozenset({"RGB", "RGBA"}),
    # It is decoded by way of three copies of the picture, and takes longest to write.
    12_500_000,
    16_383,
    {"quality": 85, "method": 4},
    {"quality": 85, "method": 0},
)


def develop(data: bytes) -> DevelopedPicture:
    """Check and re-encode a file; raise `PictureError` if it is not acceptable.

    The type is told by the content alone, the size in pixels is read from the header before
    anything is decoded, and of an animation the first frame is kept. Raises `MemoryError` for
    what does not fit.
    """
    format_ = _format_of(data)
    with _damage_told():
        essence = format_.read(data)
        _check_size(essence, format_)
        image = _normalised(essence, format_)
    return DevelopedPicture(
        content_type=format_.content_type,
        extension=format_.extension,
        data=format_.encode(image),
        width=image.width,
        height=image.height,
        variants=_variants(image, format_),
    )


def _format_of(data: bytes) -> _Format:
    if data.startswith(b"\xff\xd8\xff"):
        return _JPEG
    if data.startswith(png.SIGNATURE):
        return _PNG
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _WEBP
    raise PictureTypeUnsupported("The file is not a JPEG, PNG or WebP picture.")


def _check_size(essence: Essence, format_: _Format) -> None:
    size = f"The picture has {essence.width} x {essence.height} pixels"
    pixels = essence.width * essence.height
    if pixels > MAX_PIXELS:
        raise PictureTooLarge(f"{size}; at most {MAX_PIXELS // 1_000_000} megapixels are accepted.")
    if pixels > format_.max_pixels:
        most = format_.max_pixels / 1_000_000
        raise PictureTooCostly(f"{size}; a {format_.name} may have at most {most} megapixels.")
    if max(essence.width, essence.height) > format_.max_side:
        raise PictureTooCostly(f"{size}; a side may have at most {format_.max_side:,}.")


@contextmanager
def _damage_told() -> Iterator[None]:
    """Tell what Pillow's parsers raise over hostile bytes as a `PictureError`.

    Pillow has no error of its own for a damaged file: it documents `OSError`, `SyntaxError` and
    `ValueError`, and what its parsers trip over passes through. The bytes are in memory by now,
    so none of these is a fault of ours.
    """
    try:
        yield
    except (
        ArithmeticError,
        AttributeError,
        EOFError,
        LookupError,
        OSError,
        RuntimeError,
        SyntaxError,
        TypeError,
        ValueError,
        struct.error,
        zlib.error,
    ) as error:
        raise PictureInvalid(DAMAGED) from error


def _normalised(essence: Essence, format_: _Format) -> Image.Image:
    """The decoded picture, upright, 8 bits a channel, in sRGB, in a mode that is written as it is.

    Every step lets go of the picture of the step before: two of them are all that fit.
    """
    image = _decoded(essence, format_)
    if essence.orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[essence.orientation])
    if essence.profile:
        image = in_srgb(image, essence.profile)
    if image.mode not in format_.modes:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    # Pillow's encoders write what they find here.
    transparency = image.info.get("transparency") if image.mode == "P" else None
    image.info = {} if transparency is None else {"transparency": transparency}
    return image


def _decoded(essence: Essence, format_: _Format) -> Image.Image:
    """The pixels, 8 bits a channel; what is transparent is, in the alpha channel or the palette."""
    if essence.transparent:
        return with_transparent_colour(essence.file, essence.transparent)
    source = format_.open(io.BytesIO(essence.file))
    if source.mode == "I;16":
        return half(essence.file)
    source.load()
    if "transparency" in source.info and source.mode != "P":
        return source.convert("RGBA" if source.mode == "RGB" else "LA")
    return source


def _variants(image: Image.Image, format_: _Format) -> tuple[PictureVariant, ...]:
    """The smaller copies, each made of the next larger."""
    if image.mode == "P":
        image = without_palette(image)
    elif image.mode == "1":
        image = image.convert("L")
    made: dict[str, PictureVariant] = {}
    for name, side in sorted(VARIANTS.items(), key=itemgetter(1), reverse=True):
        scale = min(1.0, side / max(image.size))
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        # Roughly first, to twice the size: `reducing_gap` does so for pictures without alpha.
        image = image.reduce(max(1, max(image.size) // (2 * side)))
        image = image.resize(size, Image.Resampling.LANCZOS)
        made[name] = PictureVariant(name, format_.encode(image), *image.size)
    return tuple(made[name] for name in VARIANTS)
