"""What of a picture's file makes its pixels.

Decoders read whatever a file holds: they inflate text that nobody asked for, follow the tables
of EXIF as far as these say, and look at each of a million empty chunks. None of them is given
more than the pixels' own bytes; `jpeg`, `png` and `webp` take them out.
"""

import struct
from dataclasses import dataclass

MAX_PARTS = 100_000
"""Segments or chunks of a file. Encoders write some thousands at most, for 10 MiB."""

TOO_MANY_PARTS = f"A picture may have at most {MAX_PARTS:,} segments or chunks."
ENDS_TOO_SOON = "The picture ends too soon."
DAMAGED = "The picture is damaged and cannot be read."

_HEADER = 8
_ENTRY = 12
_ORIENTATION, _SHORT = 0x0112, 3


@dataclass(frozen=True, slots=True)
class Essence:
    """A file as small as a decoder can read it, and what was told beside the pixels.

    `width` and `height` are as the header says, in pixels. `orientation` is that of EXIF, 1 to
    8 if it means anything. `transparent` is the colour that a PNG of 16 bits a channel shows as
    transparent: in 8 bits it cannot be told from its neighbours.
    """

    file: bytes
    width: int
    height: int
    profile: bytes | None = None
    orientation: int = 1
    transparent: tuple[int, ...] | None = None


def orientation(exif: bytes) -> int:
    """What the first directory of EXIF says; 1, as it is stored, if that cannot be read."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < _HEADER:
        return 1
    (start,) = struct.unpack_from(order + "I", exif, 4)
    count = int.from_bytes(exif[start : start + 2], "little" if order == "<" else "big")
    entries = exif[start + 2 : start + 2 + _ENTRY * count]
    whole = entries[: len(entries) // _ENTRY * _ENTRY]
    for tag, kind, values, value in struct.iter_unpack(order + "HHIHxx", whole):
        if (tag, kind, values) == (_ORIENTATION, _SHORT, 1):
            return int(value)
    return 1
