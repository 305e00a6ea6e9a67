"""Uploaded pictures: judged by their bytes, decoded once, written anew.

What is kept is a fresh encoding of the pixels: metadata (EXIF with its GPS position, XMP,
comments, colour profiles) and anything appended to the file stay behind.
"""

import asyncio
import io
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import BinaryIO

from PIL import Image, ImageCms, ImageOps
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from services.catalog.errors import PictureInvalid, PictureTooLarge, PictureTypeUnsupported

MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 25_000_000
# A progressive JPEG is decoded once per scan, over all of its pixels. Encoders write about
# ten; a file of thousands keeps a processor busy for minutes.
MAX_SCANS = 100

#: The smaller copies made of every picture: name to the longest side, in pixels.
VARIANTS: Mapping[str, int] = MappingProxyType({"thumbnail": 320, "preview": 960})


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


class Darkroom:
    """Develops uploads in threads of its own, at most `limit` at once.

    A decoded picture takes up to 100 MB and a few copies of it exist on the way, so the
    limit bounds the memory of the process. The threads are the limit: a caller that is
    cancelled does not let another picture in before its own has left.
    """

    def __init__(self, limit: int = 2) -> None:
        self._threads = ThreadPoolExecutor(limit, thread_name_prefix="darkroom")

    async def develop(self, upload: BinaryIO) -> DevelopedPicture:
        """Check and re-encode an upload, read from its start.

        The type is told by the content alone, the size in pixels is read from the header
        before anything is decoded, and of an animation the first frame is kept. Raises
        `PictureError` for every upload that is not acceptable.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _develop, upload)

    def close(self) -> None:
        """Let the threads end after the pictures they hold; those still waiting are dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Format:
    """How one type of file is known, opened and written."""

    name: str
    content_type: str
    extension: str
    # The plugins are called directly: Image.open would judge the size by limits of its own,
    # and take the multi-picture JPEG of many phones for a type that is not JPEG.
    open: Callable[[io.BytesIO], ImageFile]
    options: Mapping[str, object]

    def encode(self, image: Image.Image) -> bytes:
        output = io.BytesIO()
        image.save(output, self.name, **self.options)
        return output.getvalue()


# Not progressive: Pillow writes such a file in one call that holds the interpreter, and the API
# would stand still for most of a second over a large picture.
_JPEG = _Format("JPEG", "image/jpeg", "jpg", JpegImageFile, {"quality": 85})
_PNG = _Format("PNG", "image/png", "png", PngImageFile, {"optimize": True})
_WEBP = _Format("WEBP", "image/webp", "webp", WebPImageFile, {"quality": 85})


def _develop(upload: BinaryIO) -> DevelopedPicture:
    data = _read(upload)
    format_ = _format_of(data)
    with _damage_told():
        source = format_.open(io.BytesIO(data))
        _check_pixels(source)
        image = _normalised(source)
    variants = tuple(_variant(name, side, image, format_) for name, side in VARIANTS.items())
    return DevelopedPicture(
        content_type=format_.content_type,
        extension=format_.extension,
        data=format_.encode(image),
        width=image.width,
        height=image.height,
        variants=variants,
    )


def _read(upload: BinaryIO) -> bytes:
    upload.seek(0)
    data = upload.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise PictureTooLarge(f"A picture may have at most {MAX_BYTES // 1024**2} MiB.")
    if not data:
        raise PictureInvalid("The file is empty.")
    return data


def _format_of(data: bytes) -> _Format:
    if data.startswith(b"\xff\xd8\xff"):
        # Within the compressed data FF is followed by 00 or a restart marker, never by DA.
        if data.count(b"\xff\xda") > MAX_SCANS:
            raise PictureInvalid(f"A JPEG may have at most {MAX_SCANS} scans.")
        return _JPEG
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _PNG
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _WEBP
    raise PictureTypeUnsupported("The file is not a JPEG, PNG or WebP picture.")


def _check_pixels(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise PictureTooLarge(
            f"The picture has {image.width} x {image.height} pixels; "
            f"at most {MAX_PIXELS // 1_000_000} megapixels are accepted."
        )


@contextmanager
def _damage_told() -> Iterator[None]:
    """Tell what Pillow's parsers raise over hostile bytes as a `PictureError`.

    Pillow has no error of its own for a damaged file: it documents `OSError`, `SyntaxError`,
    `ValueError` and the bomb error, and what its parsers of headers, EXIF and chunks trip
    over passes through. The bytes are in memory by now, so none of these is a fault of ours.
    """
    try:
        yield
    except Image.DecompressionBombError as error:
        raise PictureTooLarge(
            f"The picture has more than {MAX_PIXELS // 1_000_000} megapixels."
        ) from error
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
        raise PictureInvalid("The picture is damaged and cannot be read.") from error


def _normalised(source: ImageFile) -> Image.Image:
    """The decoded picture, upright, 8 bits a channel, RGB or RGBA in sRGB, nothing else."""
    source.load()
    # Broken EXIF is no reason to refuse a good picture, whatever its parser trips over: the
    # picture then stands as it is stored.
    with suppress(Exception):
        ImageOps.exif_transpose(source, in_place=True)
    image = _in_srgb(_in_eight_bits(source))
    # Pillow's encoders write what they find here: comments, profiles, the transparent colour.
    image.info.clear()
    return image


def _in_eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits scaled to 8, since `convert` would clip all above 255 to white."""
    if image.mode not in {"I", "I;16", "I;16B", "I;16L"}:
        return image
    scaled = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    # Counted in 16 bits, the transparent grey would mean another one now.
    scaled.info.pop("transparency", None)
    return scaled


def _in_srgb(image: Image.Image) -> Image.Image:
    transparent = image.has_transparency_data
    mode = "RGBA" if transparent else "RGB"
    if image.mode not in ({"RGBA"} if transparent else {"RGB", "L", "CMYK"}):
        image = image.convert(mode)
    if profile := image.info.get("icc_profile"):
        # A profile that is broken or made for other channels is dropped like other metadata.
        with suppress(ImageCms.PyCMSError, OSError):
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode=mode,
            )
            if converted is not None:
                return converted
    return image if image.mode == mode else image.convert(mode)


def _variant(name: str, side: int, image: Image.Image, format_: _Format) -> PictureVariant:
    scale = min(1.0, side / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    smaller = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    return PictureVariant(name, format_.encode(smaller), *smaller.size)
