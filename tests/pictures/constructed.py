"""Picture files written by hand from their specifications, so that what is in them is known.

No library has a hand in them: the right value of a pixel is what was written.
"""

import random
import struct
import zlib
from collections.abc import Iterable, Sequence

from tests.pictures import png_chunk

Colour = tuple[int, ...]
Rows = Sequence[Sequence[Colour]]
"""The samples of each pixel, row by row, as the file counts them."""

GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6


def chance(seed: object) -> random.Random:
    """Numbers by chance, the same ones each time."""
    return random.Random(str(seed))  # noqa: S311 - of tests


# First column and row of each pass of an interlaced PNG, and its steps.
_ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


def png(
    rows: Rows,
    colour_type: int,
    depth: int,
    *,
    interlaced: bool = False,
    palette: Sequence[Colour] = (),
    transparency: bytes = b"",
    chunks: bytes = b"",
) -> bytes:
    """A PNG whose lines take turns in the five filters."""
    width, height = len(rows[0]), len(rows)
    steps = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    passes = [[row[x::dx] for row in rows[y::dy]] for x, y, dx, dy in steps]
    data = b"".join(_filtered(each, depth) for each in passes if each and each[0])
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, interlaced)
    table = bytes(value for colour in palette for value in colour)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", header),
            chunks,
            png_chunk(b"PLTE", table) if palette else b"",
            png_chunk(b"tRNS", transparency) if transparency else b"",
            png_chunk(b"IDAT", zlib.compress(data)),
            png_chunk(b"IEND", b""),
        ]
    )


def _filtered(rows: Rows, depth: int) -> bytes:
    distance = max(1, len(rows[0][0]) * depth // 8)
    above = bytes(len(_packed(rows[0], depth)))
    lines = []
    for number, row in enumerate(rows):
        line, kind = _packed(row, depth), number % 5
        left = bytes(distance) + line
        corner = bytes(distance) + above
        guesses = [
            (0, a, b, (a + b) // 2, _paeth(a, b, c))[kind]
            for a, b, c in zip(left, above, corner, strict=False)
        ]
        lines.append(
            bytes([kind, *((x - guess) % 256 for x, guess in zip(line, guesses, strict=True))])
        )
        above = line
    return b"".join(lines)


def _packed(row: Sequence[Colour], depth: int) -> bytes:
    bits = "".join(f"{sample:0{depth}b}" for pixel in row for sample in pixel)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda each: abs(guess - each))


JFIF = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
ADOBE = [b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform]) for transform in range(3)]
PATCH = 32
"""The side of a patch of one colour, in pixels, in a JPEG and a lossy WebP."""


def jpeg(
    patches: Rows,
    factors: Sequence[tuple[int, int]],
    *,
    progressive: bool = False,
    segments: bytes = JFIF,
) -> bytes:
    """A JPEG of patches; each channel has factors of sampling, across and down.

    Every block has its mean alone (DC), counted in ones.
    """
    columns, rows = len(patches[0]), len(patches)
    widest, highest = (max(each) for each in zip(*factors, strict=True))
    frame = struct.pack(">BHHB", 8, rows * PATCH, columns * PATCH, len(factors))
    for number, (across, down) in enumerate(factors):
        frame += bytes([number + 1, across << 4 | down, 0])
    scans = [(list(range(len(factors))), 0)]
    if progressive:
        scans += [([channel], 1) for channel in range(len(factors))]
    data = b"".join(
        _scan(patches, factors, channels, widest, highest, part if progressive else None)
        for channels, part in scans
    )
    return b"".join(
        [
            b"\xff\xd8",
            segments,
            _segment(0xDB, b"\0" + b"\x08" * 64),
            _segment(0xC2 if progressive else 0xC0, frame),
            # Twelve codes of four bits for the size of a mean, and "0" for "no more of this block".
            _segment(0xC4, b"\0" + bytes([0, 0, 0, 12, *[0] * 12]) + bytes(range(12))),
            _segment(0xC4, b"\x10" + bytes([1, *[0] * 15]) + b"\0"),
            data,
            b"\xff\xd9",
        ]
    )


def _scan(
    patches: Rows,
    factors: Sequence[tuple[int, int]],
    channels: Sequence[int],
    widest: int,
    highest: int,
    part: int | None,
) -> bytes:
    """One scan: of whole blocks, of their means (0) or of nothing but their ends (1)."""
    columns, rows = len(patches[0]) * PATCH // 8, len(patches) * PATCH // 8
    if len(factors) == 1:
        # The only channel is not sampled, whatever its factors say.
        factors, widest, highest = [(1, 1)], 1, 1
    bits: list[str] = []
    last = dict.fromkeys(channels, 0)
    for y in range(0, rows, highest):
        for x in range(0, columns, widest):
            colour = patches[y * 8 // PATCH][x * 8 // PATCH]
            for channel in channels:
                for _ in range(factors[channel][0] * factors[channel][1]):
                    if part != 1:
                        bits.append(_difference(colour[channel] - 128 - last[channel]))
                        last[channel] = colour[channel] - 128
                    if part != 0:
                        bits.append("0")
    whole = "".join(bits)
    whole += "1" * (-len(whole) % 8)
    data = int(whole, 2).to_bytes(len(whole) // 8, "big").replace(b"\xff", b"\xff\0")
    head = bytes([len(channels), *(value for each in channels for value in (each + 1, 0))])
    reach = {None: (0, 63), 0: (0, 0), 1: (1, 63)}[part]
    return _segment(0xDA, head + bytes([*reach, 0])) + data


def _difference(value: int) -> str:
    size = abs(value).bit_length()
    if not size:
        return "0000"
    return f"{size:04b}" + f"{value if value > 0 else value + 2**size - 1:0{size}b}"


def _segment(code: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(body) + 2) + body


def segments(code: int, body: bytes, size: int = 0, head: bytes = b"") -> bytes:
    """Segments of a JPEG that hold `body` together, each at most `size` bytes behind `head`."""
    size = size or 65_533 - len(head)
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(_segment(code, head + part) for part in parts)


def webp(rows: Rows) -> bytes:
    """A lossless WebP of these colours with alpha."""
    return riff(webp_lossless(rows))


def webp_lossless(rows: Rows) -> bytes:
    """The chunk of a lossless picture: each sample as a code of eight bits."""
    bits = _bits(len(rows[0]) - 1, 14) + _bits(len(rows) - 1, 14) + "1" + "000"
    bits += "000"  # no transforms, no cache of colours, one group of codes
    # Of the lengths of codes only "8" occurs, which takes no bit, 256 times.
    eights = "0" + _bits(8, 4) + "000" * 11 + _bits(1, 3) + "1" + _bits(3, 3) + _bits(254, 8)
    bits += eights * 4 + "1000"
    for row in rows:
        for red, green, blue, alpha in row:
            bits += "".join(f"{sample:08b}" for sample in (green, red, blue, alpha))
    bits += "0" * (-len(bits) % 8)
    data = bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))
    return webp_chunk(b"VP8L", b"\x2f" + data)


def _bits(value: int, count: int) -> str:
    return f"{value:0{count}b}"[::-1]


def webp_animation(size: tuple[int, int], frames: Iterable[tuple[tuple[int, int], Rows]]) -> bytes:
    """An animated WebP: the size of its canvas, and each frame with its even place on it."""
    chunks = webp_extended(0x12, size) + webp_chunk(b"ANIM", bytes(6))
    for (x, y), rows in frames:
        head = [x // 2, y // 2, len(rows[0]) - 1, len(rows) - 1, 40]
        places = b"".join(value.to_bytes(3, "little") for value in head)
        chunks += webp_chunk(b"ANMF", places + b"\2" + webp_lossless(rows))
    return riff(chunks)


def webp_extended(flags: int, size: tuple[int, int]) -> bytes:
    """The chunk that a file with anything but its pixels begins with."""
    sides = b"".join((side - 1).to_bytes(3, "little") for side in size)
    return webp_chunk(b"VP8X", bytes([flags, 0, 0, 0]) + sides)


def webp_chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def riff(chunks: bytes) -> bytes:
    """The file around the chunks of a WebP."""
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def exif(orientation: int, order: str = "<", behind: bytes = b"") -> bytes:
    """EXIF that says how a picture is to be turned, in either order of bytes."""
    mark = b"II" if order == "<" else b"MM"
    entry = struct.pack(order + "HHIHxx", 0x0112, 3, 1, orientation)
    return mark + struct.pack(order + "HIH", 42, 8, 1) + entry + bytes(4) + behind
