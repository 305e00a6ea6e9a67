"""WebP (RFC 9649): its chunks, without metadata and later frames."""

import struct
from collections.abc import Iterator

from services.catalog.errors import PictureInvalid
from services.catalog.images.essence import (
    DAMAGED,
    ENDS_TOO_SOON,
    MAX_PARTS,
    TOO_MANY_PARTS,
    Essence,
    orientation,
)

_LOSSY, _LOSSLESS, _EXTENDED = b"VP8 ", b"VP8L", b"VP8X"
_ALPHA_FLAG, _ANIMATION_FLAG = 0x10, 0x02
_FOURTEEN_BITS = 0x3FFF
#: Bytes of the headers that tell the size.
_CANVAS = _LOSSY_HEADER = 10
_LOSSLESS_HEADER = 5


def read(data: bytes) -> Essence:
    """Take apart a file that begins as WebP; raise `PictureInvalid`.

    Of an animation the first frame is left, at its place on the canvas.
    """
    found: dict[bytes, bytes] = {}
    for kind, body in _chunks(data):
        if kind not in found:
            found[kind] = bytes(body)
    extended = found.get(_EXTENDED)
    if extended is None:
        kept = [kind for kind in (_LOSSY, _LOSSLESS) if kind in found][:1]
        size = _size(kept[0], found[kept[0]]) if kept else None
    elif len(extended) < _CANVAS:
        raise PictureInvalid(DAMAGED)
    else:
        animated = extended[0] & _ANIMATION_FLAG
        flags = extended[0] & (_ALPHA_FLAG | _ANIMATION_FLAG)
        found[_EXTENDED] = bytes([flags]) + extended[1:_CANVAS]
        pixels = (b"ANIM", b"ANMF") if animated else (b"ALPH", _LOSSY, _LOSSLESS)
        kept = [_EXTENDED, *(kind for kind in pixels if kind in found)]
        size = _canvas(extended)
    if size is None:
        raise PictureInvalid(ENDS_TOO_SOON)
    chunks = b"".join(_chunk(kind, found[kind]) for kind in kept)
    return Essence(
        b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks,
        *size,
        profile=found.get(b"ICCP"),
        orientation=orientation(found.get(b"EXIF", b"").removeprefix(b"Exif\0\0")),
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and content of all chunks, as far as the file says that it goes."""
    (length,) = struct.unpack_from("<I", data, 4)
    whole, place, last = memoryview(data), 12, 8 + length
    for _ in range(MAX_PARTS):
        if place + 8 > min(last, len(data)):
            return
        kind, length = struct.unpack_from("<4sI", data, place)
        end = place + 8 + length
        if end > len(data):
            raise PictureInvalid(ENDS_TOO_SOON)
        yield kind, whole[place + 8 : end]
        place = end + (length & 1)
    raise PictureInvalid(TOO_MANY_PARTS)


def _canvas(extended: bytes) -> tuple[int, int]:
    width, height = (int.from_bytes(extended[at : at + 3], "little") for at in (4, 7))
    return width + 1, height + 1


def _size(kind: bytes, body: bytes) -> tuple[int, int]:
    if len(body) < (_LOSSY_HEADER if kind == _LOSSY else _LOSSLESS_HEADER):
        raise PictureInvalid(ENDS_TOO_SOON)
    if kind == _LOSSY:
        width, height = struct.unpack_from("<HH", body, 6)
        return width & _FOURTEEN_BITS, height & _FOURTEEN_BITS
    (bits,) = struct.unpack_from("<I", body, 1)
    return (bits & _FOURTEEN_BITS) + 1, (bits >> 14 & _FOURTEEN_BITS) + 1


def _chunk(kind: bytes, body: bytes) -> bytes:
    return b"".join([kind, struct.pack("<I", len(body)), body, b"\0" * (len(body) & 1)])
