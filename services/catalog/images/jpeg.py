"""JPEG (ITU-T T.81): its segments, without those of applications and comments."""

import re
import struct
from collections.abc import Iterator

from services.catalog.errors import PictureInvalid, PictureTooCostly
from services.catalog.images.essence import (
    DAMAGED,
    ENDS_TOO_SOON,
    MAX_PARTS,
    TOO_MANY_PARTS,
    Essence,
    orientation,
)

MAX_SCANS = 100
"""A progressive JPEG is decoded once per scan, over all of its pixels. Encoders write about ten."""

MAX_MEMORY = 252_000_000
"""Bytes of a picture decoded scan by scan: two for each coefficient, and four for each pixel."""

_MARKER = re.compile(rb"\xff([^\x00\xff])")
# Within the data of a scan FF is followed by 00, or by the number of a restart.
_AFTER_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")

_END, _SCAN, _FRAMES = 0xD9, 0xDA, frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_WITHOUT_BODY = frozenset({0x01, *range(0xD0, 0xD9)})
_LEFT_BEHIND = frozenset({*range(0xE0, 0xF0), 0xFE})

#: Segments of applications that are looked at: their code, and how they begin.
_JFIF, _ADOBE = (0xE0, b"JFIF\0"), (0xEE, b"Adobe")
_EXIF, _PROFILE = (0xE1, b"Exif\0\0"), (0xE2, b"ICC_PROFILE\0")
#: Of these the first says what the numbers of a pixel mean.
_MEANING = (_JFIF, _ADOBE)
_LENGTH = 2
_FRAME = struct.Struct(">xHHB")
_CHANNEL = 3


def read(data: bytes) -> Essence:
    """Take apart a file that begins with FF D8; raise `PictureError`.

    What stands behind its end stays behind: other pictures, a film, anything.
    """
    kept = [data[:2]]
    told: dict[tuple[int, bytes], list[bytes]] = {}
    frame: tuple[int, bytes] | None = None
    scans = 0
    for code, body, segment in _segments(data):
        if code in _LEFT_BEHIND:
            kind = _kind(code, body)
            if kind is None:
                continue
            told.setdefault(kind, []).append(body[len(kind[1]) :])
            if kind not in _MEANING or len(told[kind]) > 1:
                continue
        elif code == _SCAN:
            scans += 1
            if scans > MAX_SCANS:
                raise PictureInvalid(f"A JPEG may have at most {MAX_SCANS} scans.")
        elif code in _FRAMES:
            frame = frame or (code, body)
        kept.append(segment)
    if frame is None or not scans:
        raise PictureInvalid(ENDS_TOO_SOON)
    width, height = _size(*frame, scans)
    return Essence(
        b"".join(kept),
        width,
        height,
        # Each part begins with its number and how many there are.
        profile=b"".join(part[2:] for part in sorted(told.get(_PROFILE, ()), key=_number)) or None,
        orientation=orientation(told.get(_EXIF, [b""])[0]),
    )


def _segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Code, body and all of each segment; that of a scan has its data."""
    place = 2
    for _ in range(MAX_PARTS):
        marker = _MARKER.search(data, place)
        if marker is None:
            return
        code, start, place = marker[1][0], marker.start(), marker.end()
        if code == _END:
            yield code, b"", marker[0]
            return
        if code in _WITHOUT_BODY:
            continue
        # The length counts itself.
        end = place + int.from_bytes(data[place : place + _LENGTH], "big")
        if end < place + _LENGTH or end > len(data):
            raise PictureInvalid(ENDS_TOO_SOON)
        body, place = data[place + _LENGTH : end], end
        if code == _SCAN:
            after = _AFTER_SCAN.search(data, place)
            place = after.start() if after else len(data)
        yield code, body, data[start:place]
    raise PictureInvalid(TOO_MANY_PARTS)


def _kind(code: int, body: bytes) -> tuple[int, bytes] | None:
    for kind in (*_MEANING, _EXIF, _PROFILE):
        if code == kind[0] and body.startswith(kind[1]):
            return kind
    return None


def _number(part: bytes) -> bytes:
    return part[:1]


def _size(code: int, frame: bytes, scans: int) -> tuple[int, int]:
    """Width and height; those of a picture that is decoded scan by scan are bounded by memory."""
    try:
        height, width, channels = _FRAME.unpack_from(frame)
        factors = [divmod(frame[_FRAME.size + _CHANNEL * each + 1], 16) for each in range(channels)]
        most = max(across for across, _ in factors) * max(down for _, down in factors)
        coefficients = width * height * sum(across * down for across, down in factors) // most
    except (ArithmeticError, LookupError, ValueError, struct.error) as error:
        raise PictureInvalid(DAMAGED) from error
    memory = 2 * coefficients + 4 * width * height
    if (code in _PROGRESSIVE or scans > 1) and memory > MAX_MEMORY:
        raise PictureTooCostly("The picture takes too much memory: it is large and progressive.")
    return width, height
