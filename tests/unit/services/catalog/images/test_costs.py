"""What a picture costs is bounded, whatever is in its file."""

import asyncio
import io
import os
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from services.catalog.errors import (
    PictureError,
    PictureInvalid,
    PictureTooCostly,
    PictureTooLarge,
)
from services.catalog.images.darkroom import MAX_BYTES, Darkroom
from tests import pictures
from tests.pictures import constructed, png_chunk
from tests.pictures.constructed import JFIF, chance
from tests.polling import until
from tests.unit.services.catalog.images.conftest import Develop

GREY_JPEG = constructed.jpeg([[(77,)]], [(1, 1)])
SMALL_PNG = pictures.png(8, 8)
LOSSLESS = constructed.webp_lossless([[(1, 2, 3, 255)]])
FRAME = constructed.webp_chunk(b"ANMF", bytes(12) + b"\1\0\0\0" + LOSSLESS)
MILLION = 1_000_000

has_proc = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes as on Linux")


def filled(before: bytes, piece: bytes, after: bytes) -> bytes:
    """As many pieces as an upload may have bytes for."""
    return before + piece * ((MAX_BYTES - len(before) - len(after)) // len(piece)) + after


def png_with(pieces: bytes) -> bytes:
    return filled(SMALL_PNG[:33], pieces, SMALL_PNG[33:])


def jpeg_with(pieces: bytes) -> bytes:
    return filled(GREY_JPEG[:2], pieces, GREY_JPEG[2:])


def webp_with(pieces: bytes, size: tuple[int, int] = (1, 1), flags: int = 0) -> bytes:
    chunks = filled(constructed.webp_extended(flags, size), pieces, LOSSLESS + bytes(12))
    return constructed.riff(chunks[:-12])


def png_header(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes((width + 1) * height))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [png_chunk(b"IHDR", header), png_chunk(b"IDAT", pixels), png_chunk(b"IEND", b"")]
    )


def jpeg_header(channels: int, *, progressive: bool) -> bytes:
    """The head of a picture of 5,000 x 5,000, with a scan of nothing."""
    frame = struct.pack(">BHHB", 8, 5000, 5000, channels)
    frame += b"".join(bytes([each + 1, 0x11, 0]) for each in range(channels))
    return b"".join(
        [
            b"\xff\xd8",
            JFIF,
            constructed.segments(0xC2 if progressive else 0xC0, frame),
            constructed.segments(0xDA, b"\1\1\0\0\0\0"),
            b"\xff\xd9",
        ]
    )


@pytest.mark.parametrize(
    ("make", "error", "why"),
    [
        (lambda: png_header(1, 25 * MILLION), PictureTooCostly, "1 x 25000000 pixels; a side may"),
        (lambda: png_header(25 * MILLION, 1), PictureTooCostly, "a side may have at most 65,535"),
        (
            lambda: constructed.riff(constructed.webp_extended(0, (5000, 2501)) + LOSSLESS),
            PictureTooCostly,
            "5000 x 2501 pixels; a WEBP may have at most 12.5 megapixels",
        ),
        (
            lambda: constructed.riff(constructed.webp_extended(2, (16_384, 1)) + FRAME),
            PictureTooCostly,
            "a side may have at most 16,383",
        ),
        (
            lambda: constructed.riff(constructed.webp_extended(2, (5000, 5001)) + FRAME),
            PictureTooLarge,
            "25 megapixels",
        ),
        (lambda: jpeg_header(4, progressive=True), PictureTooCostly, "large and progressive"),
        (lambda: png_with(png_chunk(b"IDAT", b"")), PictureInvalid, "at most 100,000 segments"),
        (lambda: png_with(png_chunk(b"tEXt", b"k\0v")), PictureInvalid, "100,000 segments"),
        (lambda: png_with(png_chunk(b"prVt", b"")), PictureInvalid, "100,000 segments"),
        (lambda: jpeg_with(b"\xff\xfe\0\2"), PictureInvalid, "100,000 segments"),
        (lambda: jpeg_with(b"\xff\xd0"), PictureInvalid, "100,000 segments"),
        (lambda: jpeg_with(b"\xff\xdb\0\2"), PictureInvalid, "100,000 segments"),
        (lambda: webp_with(constructed.webp_chunk(b"test", b"")), PictureInvalid, "100,000"),
        (lambda: webp_with(FRAME, (5000, 2500), 2), PictureInvalid, "100,000 segments"),
    ],
    ids=[
        "tall", "wide", "large webp", "wide webp", "large animation", "progressive cmyk",
        "empty idat", "texts", "empty chunks", "comments", "restarts", "tables", "webp chunks",
        "animation",
    ],
)  # fmt: skip
async def test_what_would_cost_too_much_is_refused_by_its_header(
    develop: Develop, make: Callable[[], bytes], error: type[PictureError], why: str
) -> None:
    with pytest.raises(error, match=why):
        await develop(make())


def exif_of_large_entries() -> bytes:
    """65,535 entries, each of which says that it is nine megabytes long."""
    entry = struct.pack("<HHII", 0x9286, 7, 9_000_000, 8)
    tables = b"II*\0" + struct.pack("<IH", 8, 65_535) + entry * 65_535
    return tables + bytes(9_100_000 - len(tables))


@pytest.mark.parametrize(
    "make",
    [
        lambda: png_with(png_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(900_000)))),
        lambda: png_with(png_chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(900_000)))),
        lambda: pictures.with_png_chunk(
            SMALL_PNG, b"iCCP", b"k\0\0" + zlib.compress(bytes(2**28), 1)
        ),
        lambda: pictures.with_png_chunk(SMALL_PNG, b"eXIf", exif_of_large_entries()),
        lambda: (
            GREY_JPEG[:2]
            + constructed.segments(0xE1, exif_of_large_entries(), head=b"Exif\0\0")
            + GREY_JPEG[2:]
        ),
        lambda: jpeg_with(b"\xff"),
        lambda: jpeg_with(
            constructed.segments(0xE2, chance(1).randbytes(65_000), head=b"ICC_PROFILE\0\1\1")
        ),
        lambda: constructed.riff(
            constructed.webp_extended(8, (1, 1))
            + LOSSLESS
            + constructed.webp_chunk(b"EXIF", exif_of_large_entries())
        ),
    ],
    ids=[
        "texts", "profiles", "profile of 256 MiB", "exif of png", "exif of jpeg", "fill bytes",
        "profiles of jpeg", "exif of webp",
    ],
)  # fmt: skip
async def test_what_is_no_pixel_costs_nothing(develop: Develop, make: Callable[[], bytes]) -> None:
    data = make()
    assert len(data) <= MAX_BYTES

    assert (await develop(data)).width in {1, 8, constructed.PATCH}


def slow_png() -> bytes:
    """25 megapixels of blocks that look like noise to whoever compresses them anew."""
    rng = chance(1)
    blocks = [rng.randbytes(150) for _ in range(64)]
    rows = b"".join(b"\0" + b"".join(rng.choices(blocks, k=100)) for _ in range(5000))
    header = struct.pack(">IIBBBBB", 5000, 5000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [
            png_chunk(b"IHDR", header),
            png_chunk(b"IDAT", zlib.compress(rows, 1)),
            png_chunk(b"IEND", b""),
        ]
    )


async def test_a_picture_that_takes_too_long_is_refused_and_the_next_is_developed(
    develop: Develop,
) -> None:
    with pytest.raises(PictureTooCostly, match="too much time"):
        await develop(slow_png())

    assert (await develop(SMALL_PNG)).width == 8


async def test_a_picture_that_takes_too_much_memory_is_refused_and_the_next_is_developed(
    develop: Develop,
) -> None:
    large = pictures.encoded(
        Image.new("RGBA", (4900, 2500), (9, 9, 9, 9)), "WEBP", lossless=True, quality=0, method=0
    )

    with pytest.raises(PictureTooCostly, match="too much memory"):
        await develop(large)

    assert (await develop(SMALL_PNG)).width == 8


@has_proc
def test_no_picture_takes_more_than_300_megabytes() -> None:
    program = """
import asyncio, io, resource
from PIL import Image
from services.catalog.images.darkroom import Darkroom
from tests.pictures import encoded, huge_png

def files():
    flat = Image.new("RGB", (5000, 5000), "orange")
    yield encoded(flat, "JPEG", progressive=True, subsampling=0)
    yield huge_png(5000)

async def main():
    darkroom = Darkroom()
    for file in files():
        await darkroom.develop(io.BytesIO(file))
    darkroom.close()

asyncio.run(main())
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[5],
    )

    assert 100_000_000 < int(done.stdout) < 300_000_000


@pytest.fixture
def own() -> Iterator[tuple[Darkroom, Callable[[], list[int]]]]:
    """A darkroom, and what tells its processes."""
    others = _sandboxes()
    darkroom = Darkroom(1)
    yield darkroom, lambda: [each for each in _sandboxes() if each not in others]
    darkroom.close()


def _sandboxes() -> list[int]:
    """The processes of ours that develop pictures."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid() and b"sandbox" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


@has_proc
async def test_a_process_that_was_killed_while_it_waited_is_replaced(
    own: tuple[Darkroom, Callable[[], list[int]]],
) -> None:
    darkroom, processes = own
    await darkroom.develop(io.BytesIO(SMALL_PNG))
    (first,) = processes()
    os.kill(first, signal.SIGKILL)
    await until(lambda: not processes())

    assert (await darkroom.develop(io.BytesIO(SMALL_PNG))).width == 8

    (second,) = processes()
    assert second != first
    darkroom.close()
    assert processes() == []


@has_proc
async def test_a_picture_that_ends_its_process_is_refused(
    own: tuple[Darkroom, Callable[[], list[int]]],
) -> None:
    darkroom, processes = own
    await darkroom.develop(io.BytesIO(SMALL_PNG))
    (process,) = processes()
    os.kill(process, signal.SIGSTOP)
    developing = asyncio.ensure_future(darkroom.develop(io.BytesIO(SMALL_PNG)))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(developing), 0.2)
    os.kill(process, signal.SIGKILL)

    with pytest.raises(PictureInvalid, match="cannot be read"):
        await developing

    assert (await darkroom.develop(io.BytesIO(SMALL_PNG))).width == 8
