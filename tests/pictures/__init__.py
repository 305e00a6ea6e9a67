"""Pictures for tests, made on the spot: nothing binary is kept in the repository."""

import io
import struct
import zlib
from typing import Any

from PIL import Image

#: 0x0112 is Orientation (6: turned by 90 degrees), 0x8825 the GPS block.
ORIENTATION, GPS = 0x0112, 0x8825


def gradient(width: int = 640, height: int = 480, mode: str = "RGB") -> Image.Image:
    """A picture that is not all one colour: black above, white below."""
    return Image.linear_gradient("L").resize((width, height)).convert(mode)


def encoded(image: Image.Image, format_: str, **options: Any) -> bytes:
    """The bytes of a file of this format."""
    output = io.BytesIO()
    image.save(output, format_, **options)
    return output.getvalue()


def jpeg(width: int = 640, height: int = 480, **options: Any) -> bytes:
    return encoded(gradient(width, height), "JPEG", **options)


def png(width: int = 640, height: int = 480, **options: Any) -> bytes:
    return encoded(gradient(width, height), "PNG", **options)


def webp(width: int = 640, height: int = 480, **options: Any) -> bytes:
    return encoded(gradient(width, height), "WEBP", **options)


def phone_jpeg(width: int = 640, height: int = 480) -> bytes:
    """A JPEG as a phone writes it: to be turned before it is shown, and telling where it was."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif.get_ifd(GPS)[1] = "N"
    exif.get_ifd(GPS)[2] = (52.0, 31.0, 12.0)
    return jpeg(width, height, exif=exif, comment=b"at home", xmp=b"<x:xmpmeta/>")


def huge_png(side: int = 13_000) -> bytes:
    """A PNG of side x side pixels in two colours that compresses to a few KB."""
    deflate = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8)
    pixels = b"".join([deflate.compress(row) for _ in range(side)]) + deflate.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [png_chunk(b"IHDR", header), png_chunk(b"IDAT", pixels), png_chunk(b"IEND", b"")]
    )


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG file: length, kind, data, checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_png_chunk(file: bytes, kind: bytes, data: bytes) -> bytes:
    """The PNG with one more chunk right after its header."""
    header_end = 8 + 25
    return file[:header_end] + png_chunk(kind, data) + file[header_end:]
