"""Pictures whose every pixel is known, as the files are written by hand, come out right."""

import io
import struct
import zlib
from collections.abc import Callable, Sequence

import pytest
from PIL import Image, ImageCms

from services.catalog.images.developed import DevelopedPicture
from tests.pictures import constructed, png_chunk
from tests.pictures.constructed import (
    ADOBE,
    GREY,
    GREY_ALPHA,
    JFIF,
    PALETTE,
    PATCH,
    RGB,
    RGB_ALPHA,
    Colour,
    Rows,
    chance,
)
from tests.unit.services.catalog.images.conftest import Develop

LOSS = 6
"""How far a channel of a patch may be off in what JPEG or lossy WebP keeps of it, of 255."""

TYPES = [
    *((GREY, depth) for depth in (1, 2, 4, 8, 16)),
    *((RGB, depth) for depth in (8, 16)),
    *((PALETTE, depth) for depth in (1, 2, 4, 8)),
    *((GREY_ALPHA, depth) for depth in (8, 16)),
    *((RGB_ALPHA, depth) for depth in (8, 16)),
]
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
TRANSPARENT = [each for each in TYPES if each[0] in {GREY, RGB, PALETTE}]
TURNED: dict[int, Callable[[int, int, int, int], tuple[int, int]]] = {
    1: lambda x, y, _w, _h: (x, y),
    2: lambda x, y, w, _h: (w - 1 - x, y),
    3: lambda x, y, w, h: (w - 1 - x, h - 1 - y),
    4: lambda x, y, _w, h: (x, h - 1 - y),
    5: lambda x, y, _w, _h: (y, x),
    6: lambda x, y, _w, h: (y, h - 1 - x),
    7: lambda x, y, w, h: (w - 1 - y, h - 1 - x),
    8: lambda x, y, w, _h: (w - 1 - y, x),
}
"""Where the pixel that is shown at x, y stands in a file of w by h (TIFF 6.0, Orientation)."""


def files(picture: DevelopedPicture) -> list[Image.Image]:
    """The picture and its smaller copies, as a browser gets them."""
    return [
        Image.open(io.BytesIO(data)).convert("RGBA")
        for data in (picture.data, *(each.data for each in picture.variants))
    ]


def pixels(image: Image.Image) -> list[list[Colour]]:
    data = image.tobytes()
    flat = [tuple(data[at : at + 4]) for at in range(0, len(data), 4)]
    return [flat[at : at + image.width] for at in range(0, len(flat), image.width)]


def samples(colour_type: int, depth: int, width: int = 13, height: int = 11) -> list[list[Colour]]:
    rng = chance(f"{colour_type} {depth}")
    one = [
        tuple(rng.randrange(2**depth) for _ in range(CHANNELS[colour_type]))
        for _ in range(width * height)
    ]
    return [one[at : at + width] for at in range(0, len(one), width)]


def palette(depth: int) -> list[Colour]:
    rng = chance(depth)
    return [tuple(rng.randrange(256) for _ in range(3)) for _ in range(2**depth)]


def shown(
    sample: Colour, colour_type: int, depth: int, transparent: Colour | None = None
) -> Colour:
    """What a viewer shows of a pixel without a palette: red, green, blue, alpha."""
    eight = [value >> 8 if depth == 16 else value * 255 // (2**depth - 1) for value in sample]
    alpha = eight.pop() if colour_type in {GREY_ALPHA, RGB_ALPHA} else 255
    if sample == transparent:
        alpha = 0
    colour = eight * 3 if len(eight) == 1 else eight
    return (*colour, alpha)


@pytest.mark.parametrize("interlaced", [False, True], ids=["lines", "interlaced"])
@pytest.mark.parametrize(("colour_type", "depth"), TYPES)
async def test_every_type_of_png_keeps_every_pixel(
    develop: Develop, colour_type: int, depth: int, *, interlaced: bool
) -> None:
    rows, table = samples(colour_type, depth), palette(depth) if colour_type == PALETTE else []
    file = constructed.png(rows, colour_type, depth, interlaced=interlaced, palette=table)

    for image in files(await develop(file)):
        if table:
            assert pixels(image) == [[(*table[index], 255) for (index,) in row] for row in rows]
        else:
            assert pixels(image) == [
                [shown(sample, colour_type, depth) for sample in row] for row in rows
            ]


@pytest.mark.parametrize("interlaced", [False, True], ids=["lines", "interlaced"])
@pytest.mark.parametrize(("colour_type", "depth"), TRANSPARENT)
async def test_exactly_what_is_transparent_in_a_png_comes_out_so(
    develop: Develop, colour_type: int, depth: int, *, interlaced: bool
) -> None:
    rows = samples(colour_type, depth)
    chosen = rows[5][6]
    # Neighbours of the transparent colour: another lower byte, another channel.
    rows[0][0] = tuple(value ^ 1 for value in chosen)
    rows[0][1] = (*chosen[:-1], chosen[-1] ^ 1)
    rows[9][9] = chosen
    table = palette(depth) if colour_type == PALETTE else []
    alphas = [(index * 37) % 256 for index in range(len(table) - len(table) // 4)]
    # All but the bits of the picture's depth are without meaning.
    high = 0 if depth == 16 else 0x7F00
    transparency = bytes(alphas) or b"".join(struct.pack(">H", high | value) for value in chosen)
    file = constructed.png(
        rows, colour_type, depth, interlaced=interlaced, palette=table, transparency=transparency
    )

    for image in files(await develop(file)):
        if table:
            opaque = [*alphas, *[255] * (len(table) - len(alphas))]
            right = [[(*table[index], opaque[index]) for (index,) in row] for row in rows]
        else:
            right = [[shown(each, colour_type, depth, chosen) for each in row] for row in rows]
        assert pixels(image) == right


@pytest.mark.parametrize("number", [0, 1, 2, 128, 255])
async def test_a_palette_of_one_transparent_colour_keeps_the_others(
    develop: Develop, number: int
) -> None:
    table = palette(8)
    alphas = bytes(0 if index == number else 255 for index in range(number + 1))
    rows: Rows = [[(index,) for index in range(16 * row, 16 * row + 16)] for row in range(16)]
    file = constructed.png(rows, PALETTE, 8, palette=table, transparency=alphas)

    right = [(*colour, 0 if index == number else 255) for index, colour in enumerate(table)]
    for image in files(await develop(file)):
        assert [each for row in pixels(image) for each in row] == right


def in_rgb(luma: int, blue: int, red: int) -> Colour:
    """JFIF 1.02, conversion from YCbCr."""
    exact = (
        luma + 1.402 * (red - 128),
        luma - 0.344136 * (blue - 128) - 0.714136 * (red - 128),
        luma + 1.772 * (blue - 128),
    )
    return tuple(min(255, max(0, round(value))) for value in exact)


def from_inks(inks: Colour) -> Colour:
    """As much light as the inks leave, of which Adobe stores what they do not cover."""
    *colours, black = inks
    return tuple(round(value * black / 255) for value in colours)


def from_ycck(sample: Colour) -> Colour:
    return from_inks((*(255 - value for value in in_rgb(*sample[:3])), sample[3]))


COLOURS: list[list[Colour]] = [
    [(200, 100, 60, 255), (30, 200, 180, 200), (90, 120, 140, 255)],
    [(128, 128, 128, 90), (90, 90, 170, 255), (235, 128, 128, 140)],
]
SUBSAMPLED = {
    "4:4:4": [(1, 1)] * 3,
    "4:2:2": [(2, 1), (1, 1), (1, 1)],
    "4:2:0": [(2, 2), (1, 1), (1, 1)],
    "4:1:1": [(4, 1), (1, 1), (1, 1)],
    "4:4:0": [(1, 2), (1, 1), (1, 1)],
    "4:1:0": [(4, 2), (1, 1), (1, 1)],
}
KINDS_OF_JPEG: dict[str, tuple[Sequence[tuple[int, int]], bytes, Callable[[Colour], Colour]]] = {
    **{
        name: (factors, JFIF, lambda sample: in_rgb(*sample[:3]))
        for name, factors in SUBSAMPLED.items()
    },
    "YCbCr by Adobe": (SUBSAMPLED["4:2:0"], ADOBE[1], lambda sample: in_rgb(*sample[:3])),
    "RGB by Adobe": (SUBSAMPLED["4:4:4"], ADOBE[0], lambda sample: sample[:3]),
    "grey": ([(1, 1)], JFIF, lambda sample: (sample[0],) * 3),
    "grey in larger units": ([(2, 2)], JFIF, lambda sample: (sample[0],) * 3),
    "CMYK": ([(1, 1)] * 4, ADOBE[0], from_inks),
    "YCCK": ([(2, 2), (1, 1), (1, 1), (2, 2)], ADOBE[2], from_ycck),
}


def assert_patches(image: Image.Image, right: Sequence[Sequence[Colour]]) -> None:
    """Compare the middle of each patch; there is nothing between them that is known."""
    assert image.size == (len(right[0]) * PATCH, len(right) * PATCH)
    found = pixels(image)
    for row, colours in enumerate(right):
        for column, colour in enumerate(colours):
            pixel = found[row * PATCH + PATCH // 2][column * PATCH + PATCH // 2]
            off = [abs(a - b) for a, b in zip(pixel, colour, strict=False)]
            assert max(off) <= LOSS, (row, column, pixel, colour)


@pytest.mark.parametrize("progressive", [False, True], ids=["sequential", "progressive"])
@pytest.mark.parametrize("kind", KINDS_OF_JPEG)
async def test_every_kind_of_jpeg_keeps_its_colours(
    develop: Develop, kind: str, *, progressive: bool
) -> None:
    factors, segments, colour = KINDS_OF_JPEG[kind]
    patches = [[each[: len(factors)] for each in row] for row in COLOURS]
    file = constructed.jpeg(patches, factors, progressive=progressive, segments=segments)

    for image in files(await develop(file)):
        assert_patches(image, [[colour(sample) for sample in row] for row in COLOURS])


def patched(rows: Sequence[Sequence[Colour]]) -> list[list[Colour]]:
    """The pixels of patches."""
    return [[each for each in row for _ in range(PATCH)] for row in rows for _ in range(PATCH)]


async def test_a_lossless_webp_keeps_its_colours_and_every_alpha(develop: Develop) -> None:
    rng = chance(1)
    rows = [[(*each[:3], rng.randrange(1, 256)) for each in row] for row in patched(COLOURS)]

    main, *smaller = files(await develop(constructed.webp(rows)))

    for image in (main, *smaller):
        assert_patches(image, [[each[:3] for each in row] for row in COLOURS])
        assert [[each[3] for each in row] for row in pixels(image)] == [
            [each[3] for each in row] for row in rows
        ]


async def test_a_lossy_webp_keeps_its_colours(develop: Develop) -> None:
    opaque = [[each[:3] for each in row] for row in COLOURS]
    flat = bytes(value for row in patched(opaque) for each in row for value in each)
    source = Image.frombytes("RGB", (3 * PATCH, 2 * PATCH), flat)
    file = io.BytesIO()
    source.save(file, "WEBP", quality=95)

    for image in files(await develop(file.getvalue())):
        assert_patches(image, opaque)
        assert image.getchannel("A").getextrema() == (255, 255)


async def test_the_first_frame_of_a_webp_stands_at_its_place_on_the_canvas(
    develop: Develop,
) -> None:
    patch = [[(200, 100, 60, 255)] * PATCH for _ in range(PATCH)]
    later = [[(0, 0, 0, 255)] * (2 * PATCH) for _ in range(PATCH)]
    file = constructed.webp_animation(
        (2 * PATCH, PATCH), [((PATCH, 0), patch), *[((0, 0), later)] * 3]
    )

    main, *_ = files(await develop(file))

    assert main.getchannel("A").getextrema() == (0, 255)
    assert pixels(main)[16][16][3] == 0
    assert_patches(main.crop((PATCH, 0, 2 * PATCH, PATCH)), [[(200, 100, 60, 255)]])


@pytest.mark.parametrize("order", ["<", ">"], ids=["little endian", "big endian"])
@pytest.mark.parametrize("orientation", TURNED)
async def test_every_orientation_is_set_upright(
    develop: Develop, orientation: int, order: str
) -> None:
    exif = constructed.exif(orientation, order)
    grey = [[(each[0],) for each in row] for row in COLOURS]
    turned = TURNED[orientation]
    width, height = (3, 2) if orientation < 5 else (2, 3)
    right = [
        [COLOURS[row][column][:1] * 3 for column, row in (turned(x, y, 3, 2) for x in range(width))]
        for y in range(height)
    ]
    rows = patched([[(*each[:1] * 3, 255) for each in row] for row in COLOURS])
    size = (3 * PATCH, 2 * PATCH)
    for file in (
        constructed.jpeg(
            grey, [(1, 1)], segments=constructed.segments(0xE1, exif, head=b"Exif\0\0")
        ),
        constructed.png(patched(grey), GREY, 8, chunks=png_chunk(b"eXIf", exif)),
        constructed.riff(
            constructed.webp_extended(0x18, size)
            + constructed.webp_lossless(rows)
            + constructed.webp_chunk(b"EXIF", exif)
        ),
    ):
        for image in files(await develop(file)):
            assert_patches(image, right)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
async def test_an_orientation_without_meaning_turns_nothing(
    develop: Develop, orientation: int
) -> None:
    exif = png_chunk(b"eXIf", constructed.exif(orientation))
    rows = samples(RGB, 8)

    main, *_ = files(await develop(constructed.png(rows, RGB, 8, chunks=exif)))

    assert pixels(main) == [[(*each, 255) for each in row] for row in rows]


MUCH = 3 * 1024 * 1024
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
#: The same colours, with more bytes than anybody needs behind its tables.
LARGE_PROFILE = struct.pack(">I", MUCH) + SRGB[4:] + bytes(MUCH - len(SRGB))
NOISE = chance(2).randbytes(MUCH)
TEXT = b"key\0" + b"x" * MUCH

METADATA_OF_PNG = {
    "tEXt": TEXT,
    "zTXt": b"key\0\0" + zlib.compress(TEXT),
    "iTXt": b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(TEXT),
    "iCCP": b"name\0\0" + zlib.compress(LARGE_PROFILE),
    "eXIf": constructed.exif(1, behind=NOISE),
    "prVt": NOISE,
}


@pytest.mark.parametrize("kind", METADATA_OF_PNG)
async def test_megabytes_of_metadata_do_not_spoil_a_png(develop: Develop, kind: str) -> None:
    rows = samples(RGB, 8)
    chunk = png_chunk(kind.encode(), METADATA_OF_PNG[kind])

    main, *_ = files(await develop(constructed.png(rows, RGB, 8, chunks=chunk)))

    assert pixels(main) == [[(*each, 255) for each in row] for row in rows]


def numbered(profile: bytes) -> bytes:
    """The segments of a colour profile in a JPEG."""
    size = 65_000
    parts = [profile[at : at + size] for at in range(0, len(profile), size)]
    return b"".join(
        constructed.segments(0xE2, part, head=b"ICC_PROFILE\0" + bytes([number, len(parts)]))
        for number, part in enumerate(parts, 1)
    )


METADATA_OF_JPEG = {
    "XMP": constructed.segments(0xE1, NOISE, head=b"http://ns.adobe.com/xap/1.0/\0"),
    "EXIF": constructed.segments(0xE1, constructed.exif(1, behind=NOISE), head=b"Exif\0\0"),
    "profile": numbered(LARGE_PROFILE),
    "IPTC": constructed.segments(0xED, NOISE, head=b"Photoshop 3.0\0"),
    "other pictures": constructed.segments(0xE2, NOISE, head=b"MPF\0"),
    "comments": constructed.segments(0xFE, NOISE),
    "many scans": constructed.segments(0xE5, b"\xff\xda" * (MUCH // 2)),
}


@pytest.mark.parametrize("kind", METADATA_OF_JPEG)
async def test_megabytes_of_metadata_do_not_spoil_a_jpeg(develop: Develop, kind: str) -> None:
    patches = [[each[:3] for each in row] for row in COLOURS]
    segments = JFIF + METADATA_OF_JPEG[kind]
    file = constructed.jpeg(patches, SUBSAMPLED["4:2:0"], segments=segments)

    main, *_ = files(await develop(file))

    assert_patches(main, [[in_rgb(*each) for each in row] for row in patches])


@pytest.mark.parametrize("kind", ["ICCP", "EXIF", "XMP ", "none"])
async def test_megabytes_of_metadata_do_not_spoil_a_webp(develop: Develop, kind: str) -> None:
    body = {"ICCP": LARGE_PROFILE, "EXIF": constructed.exif(1, behind=NOISE)}.get(kind, NOISE)
    flags = {"ICCP": 0x20, "EXIF": 0x08, "XMP ": 0x04}.get(kind, 0)
    metadata = constructed.webp_chunk(kind.encode(), body)
    rows = patched(COLOURS)
    chunks = [
        constructed.webp_extended(0x10 | flags, (3 * PATCH, 2 * PATCH)),
        *([metadata] if kind == "ICCP" else []),
        constructed.webp_lossless(rows),
        *([metadata] if kind != "ICCP" else []),
    ]

    main, *_ = files(await develop(constructed.riff(b"".join(chunks))))

    assert_patches(main, COLOURS)


async def test_a_film_behind_the_end_of_a_picture_does_not_spoil_it(develop: Develop) -> None:
    film = b"MotionPhoto_Data" + chance(1).randbytes(8 * 1024 * 1024)
    assert film.count(b"\xff\xda") > 100
    patches = [[each[:3] for each in row] for row in COLOURS]
    rows = patched([[(*each[:3], 255) for each in row] for row in COLOURS])
    for file, right in (
        (constructed.jpeg(patches, [(1, 1)] * 3), [[in_rgb(*c) for c in row] for row in patches]),
        (constructed.png([[each[:3] for each in row] for row in rows], RGB, 8), patches),
        (constructed.webp(rows), patches),
    ):
        picture = await develop(file + film)
        assert b"MotionPhoto" not in picture.data
        assert_patches(files(picture)[0], right)
