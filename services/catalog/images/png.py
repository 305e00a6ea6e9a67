"""PNG (W3C Recommendation): its chunks, without those that no pixel needs."""

import struct
import zlib
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

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PROFILE = 10 * 1024 * 1024
"""Bytes of a colour profile when it is inflated; a larger one is left behind."""

_NEEDED = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT"})
_TOLD = frozenset({b"iCCP", b"eXIf"})
_GREY, _RGB, _PALETTE = 0, 2, 3
_HEADER = struct.Struct(">IIBBBBB")
_DEEP = 16
_MOST_COLOURS = 256


def read(data: bytes) -> Essence:
    """Take apart a file that begins with the signature; raise `PictureInvalid`.

    Of an animation the picture is left that all viewers can show.
    """
    found: dict[bytes, bytes] = {}
    pixels: list[memoryview] = []
    for kind, body in _chunks(data):
        if kind == b"IDAT":
            pixels.append(body)
        else:
            found.setdefault(kind, bytes(body))
    header = found.get(b"IHDR", b"")
    if len(header) != _HEADER.size or not pixels:
        raise PictureInvalid(ENDS_TOO_SOON)
    width, height, depth, colour, *_ = _HEADER.unpack(header)
    kept = [SIGNATURE, _chunk(b"IHDR", header)]
    if colour == _PALETTE:
        kept += _palette(found.get(b"PLTE", b""), found.get(b"tRNS", b""))
    transparent = _transparent(found.get(b"tRNS"), depth, colour)
    if transparent and depth < _DEEP:
        kept.append(_chunk(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent)))
    return Essence(
        b"".join([*kept, _chunk(b"IDAT", b"".join(pixels)), _chunk(b"IEND", b"")]),
        width,
        height,
        profile=_profile(found.get(b"iCCP", b"")),
        orientation=orientation(found.get(b"eXIf", b"")),
        transparent=transparent if depth == _DEEP else None,
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and content of what matters, up to the end of the picture."""
    whole, place = memoryview(data), len(SIGNATURE)
    for _ in range(MAX_PARTS):
        if place + 8 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 8 + length
        if kind == b"IEND":
            return
        if end + 4 > len(data):
            raise PictureInvalid(ENDS_TOO_SOON)
        if kind in _NEEDED or kind in _TOLD:
            checksum = int.from_bytes(data[end : end + 4], "big")
            if checksum == zlib.crc32(whole[place + 4 : end]):
                yield kind, whole[place + 8 : end]
            elif kind in _NEEDED:
                raise PictureInvalid(DAMAGED)
        place = end + 4
    raise PictureInvalid(TOO_MANY_PARTS)


def _palette(colours: bytes, alphas: bytes) -> Iterator[bytes]:
    """The chunks of a palette; alphas that belong to no colour are left behind."""
    count, rest = divmod(len(colours), 3)
    if rest or not 0 < count <= _MOST_COLOURS:
        raise PictureInvalid(DAMAGED)
    yield _chunk(b"PLTE", colours)
    if alphas:
        yield _chunk(b"tRNS", alphas[:count])


def _transparent(chunk: bytes | None, depth: int, colour: int) -> tuple[int, ...] | None:
    """The transparent colour of a picture without a palette; 8 bits a channel unless it has 16.

    It is stored in 16 bits whatever the depth of the picture; of these the lowest count.
    """
    channels = {_GREY: 1, _RGB: 3}.get(colour)
    if chunk is None or channels is None:
        return None
    if len(chunk) < 2 * channels:
        raise PictureInvalid(DAMAGED)
    most = 2**depth - 1
    values = (value & most for value in struct.unpack_from(f">{channels}H", chunk))
    return tuple(value if depth == _DEEP else value * 255 // most for value in values)


def _profile(chunk: bytes) -> bytes | None:
    """The colour profile, behind its name and the number of its compression."""
    inflating = zlib.decompressobj()
    try:
        profile = inflating.decompress(chunk.partition(b"\0")[2][1:], MAX_PROFILE)
    except zlib.error:
        return None
    return profile if profile and inflating.eof else None


def _chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(body, zlib.crc32(kind))
    return b"".join([struct.pack(">I", len(body)), kind, body, struct.pack(">I", checksum)])
