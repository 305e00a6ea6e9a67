import asyncio
import io
import struct
import threading
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from services.catalog.errors import (
    PictureError,
    PictureInvalid,
    PictureTooLarge,
    PictureTypeUnsupported,
)
from services.catalog.images.darkroom import MAX_BYTES, Darkroom
from services.catalog.images.developed import DevelopedPicture
from services.catalog.images.jpeg import MAX_SCANS
from tests import pictures

MAGIC = [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\x00\x01\x00\x00WEBPVP8X", b""]
WHOLE = [pictures.phone_jpeg(64, 48), pictures.png(64, 48), pictures.webp(64, 48)]


async def develop(darkroom: Darkroom, data: bytes) -> DevelopedPicture:
    return await darkroom.develop(io.BytesIO(data))


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize(
    ("data", "content_type", "extension"),
    [
        (pictures.jpeg(), "image/jpeg", "jpg"),
        (pictures.png(), "image/png", "png"),
        (pictures.webp(), "image/webp", "webp"),
    ],
)
async def test_a_picture_keeps_its_type_and_size_and_gains_smaller_copies(
    darkroom: Darkroom, data: bytes, content_type: str, extension: str
) -> None:
    picture = await develop(darkroom, data)

    assert (picture.content_type, picture.extension) == (content_type, extension)
    assert (picture.width, picture.height) == (640, 480)
    main = opened(picture.data)
    assert main.size == (640, 480)
    assert Image.MIME[main.format or ""] == content_type
    thumbnail, preview = picture.variants
    assert (thumbnail.name, thumbnail.width, thumbnail.height) == ("thumbnail", 320, 240)
    assert opened(thumbnail.data).size == (320, 240)
    assert (preview.name, preview.width, preview.height) == ("preview", 640, 480)
    assert opened(thumbnail.data).format == opened(preview.data).format == main.format


async def test_the_preview_of_a_large_picture_is_larger_than_its_thumbnail(
    darkroom: Darkroom,
) -> None:
    picture = await develop(darkroom, pictures.jpeg(1920, 1080))

    sizes = {each.name: opened(each.data).size for each in picture.variants}
    assert sizes == {"thumbnail": (320, 180), "preview": (960, 540)}


async def test_a_small_picture_is_not_enlarged(darkroom: Darkroom) -> None:
    picture = await develop(darkroom, pictures.png(40, 30))

    assert (picture.variants[0].width, picture.variants[0].height) == (40, 30)


async def test_a_line_keeps_at_least_one_pixel_in_its_thumbnail(darkroom: Darkroom) -> None:
    picture = await develop(darkroom, pictures.png(4000, 1))

    assert (picture.variants[0].width, picture.variants[0].height) == (320, 1)


async def test_an_upload_is_read_from_its_start(darkroom: Darkroom) -> None:
    upload = io.BytesIO(pictures.png())
    upload.read()

    assert (await darkroom.develop(upload)).width == 640


async def test_a_turned_picture_is_set_upright_and_loses_its_metadata(darkroom: Darkroom) -> None:
    original = pictures.phone_jpeg(640, 480)
    assert b"at home" in original
    assert opened(original).getexif().get_ifd(pictures.GPS)

    picture = await develop(darkroom, original)

    assert (picture.width, picture.height) == (480, 640)
    assert (picture.variants[0].width, picture.variants[0].height) == (240, 320)
    for data in (picture.data, picture.variants[0].data):
        assert not opened(data).getexif()
        assert not {"exif", "xmp", "comment", "icc_profile"} & opened(data).info.keys()
        assert b"at home" not in data
        assert b"xmpmeta" not in data


@pytest.mark.parametrize("format_", ["PNG", "WEBP"])
async def test_metadata_is_left_behind_in_every_format(darkroom: Darkroom, format_: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "at home"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    original = pictures.encoded(
        pictures.gradient(), format_, exif=exif, icc_profile=profile, xmp=b"<x:xmpmeta/>"
    )

    picture = await develop(darkroom, original)

    assert b"at home" in original
    assert b"at home" not in picture.data
    assert not {"exif", "xmp", "icc_profile", "Comment"} & opened(picture.data).info.keys()


async def test_what_is_appended_to_a_picture_is_left_behind(darkroom: Darkroom) -> None:
    picture = await develop(darkroom, pictures.jpeg() + b"<script>alert(1)</script>")

    assert b"<script>" not in picture.data


async def test_broken_exif_does_not_spoil_a_good_picture(darkroom: Darkroom) -> None:
    picture = await develop(darkroom, pictures.jpeg(exif=b"Exif\x00\x00nonsense"))

    assert (picture.width, picture.height) == (640, 480)


@pytest.mark.parametrize("format_", ["PNG", "WEBP"])
async def test_transparency_is_kept(darkroom: Darkroom, format_: str) -> None:
    image = pictures.gradient(mode="RGBA")
    image.putalpha(0)

    picture = await develop(darkroom, pictures.encoded(image, format_))

    for data in (picture.data, picture.variants[0].data):
        assert opened(data).getchannel("A").getextrema() == (0, 0)


async def test_the_transparent_colour_of_a_palette_is_kept(darkroom: Darkroom) -> None:
    palette = pictures.gradient(mode="L").convert("P")
    picture = await develop(darkroom, pictures.encoded(palette, "PNG", transparency=0))

    assert opened(picture.data).convert("RGBA").getchannel("A").getextrema() == (0, 255)


async def test_the_four_inks_of_print_become_rgb(darkroom: Darkroom) -> None:
    red = Image.new("CMYK", (64, 48), (0, 255, 255, 0))
    picture = await develop(darkroom, pictures.encoded(red, "JPEG"))

    pixel = opened(picture.data).getpixel((10, 10))
    assert opened(picture.data).mode == "RGB"
    assert isinstance(pixel, tuple)
    assert pixel[0] > 200
    assert max(pixel[1:]) < 80


async def test_colours_are_converted_by_the_profile_they_came_with(darkroom: Darkroom) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")
    red = Image.new("RGB", (64, 48), (255, 0, 0))

    picture = await develop(darkroom, pictures.encoded(red, "PNG", icc_profile=swapped))

    assert opened(picture.data).getpixel((0, 0)) == (0, 0, 255)


async def test_a_profile_that_does_not_fit_is_dropped(darkroom: Darkroom) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    red = Image.new("RGB", (64, 48), (200, 30, 40))

    for profile in (lab, b"not a profile"):
        picture = await develop(darkroom, pictures.encoded(red, "PNG", icc_profile=profile))
        assert opened(picture.data).getpixel((0, 0)) == (200, 30, 40)


@pytest.mark.parametrize("format_", ["PNG", "WEBP"])
async def test_of_an_animation_the_first_frame_is_kept(darkroom: Darkroom, format_: str) -> None:
    first, second = (Image.new("RGB", (64, 48), colour) for colour in ("red", "blue"))
    animation = pictures.encoded(first, format_, save_all=True, append_images=[second])

    picture = await develop(darkroom, animation)

    kept = opened(picture.data)
    assert getattr(kept, "n_frames", 1) == 1
    pixel = kept.convert("RGB").getpixel((10, 10))
    assert isinstance(pixel, tuple)
    assert pixel[0] > 200
    assert pixel[2] < 50


async def test_a_multi_picture_jpeg_is_a_jpeg(darkroom: Darkroom) -> None:
    frames = [pictures.gradient(64, 48)]
    multi = pictures.encoded(pictures.gradient(), "MPO", save_all=True, append_images=frames)

    assert (await develop(darkroom, multi)).content_type == "image/jpeg"


@pytest.mark.parametrize(
    "data",
    [
        b"just a text that calls itself a.png",
        pictures.encoded(pictures.gradient(), "GIF"),
        pictures.encoded(pictures.gradient(), "BMP"),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"RIFF\x00\x00\x00\x00WAVEfmt ",
        b"\x00",
    ],
    ids=["text", "gif", "bmp", "svg", "wave", "nul"],
)
async def test_other_types_are_told_by_their_content(darkroom: Darkroom, data: bytes) -> None:
    with pytest.raises(PictureTypeUnsupported, match="not a JPEG, PNG or WebP"):
        await develop(darkroom, data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        pictures.jpeg()[:2000],
        pictures.png()[:-60],
        pictures.webp()[:200],
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\x04\x00\x00\x00WEBP",
    ],
    ids=["empty", "jpeg", "png", "webp", "jpeg magic", "png magic", "webp magic"],
)
async def test_a_damaged_picture_is_invalid(darkroom: Darkroom, data: bytes) -> None:
    with pytest.raises(PictureInvalid):
        await develop(darkroom, data)


@pytest.mark.parametrize("palette", [None, b"", b"\0" * 5, b"\0" * 3 * 257])
async def test_a_palette_that_is_none_is_invalid(darkroom: Darkroom, palette: bytes | None) -> None:
    """Its process goes on to the next."""
    data = _of_a_palette(palette)
    with pytest.raises(PictureInvalid, match="damaged"):
        await develop(darkroom, data)


@pytest.mark.parametrize("alphas", [2, 3, 256, 257, 1000])
async def test_alphas_of_no_colour_of_a_palette_are_left_behind(
    darkroom: Darkroom, alphas: int
) -> None:
    data = _of_a_palette(bytes([255, 0, 0, 0, 0, 255]), bytes([0, 128]) + b"\7" * (alphas - 2))
    developed = await develop(darkroom, data)
    found = Image.open(io.BytesIO(developed.data)).convert("RGBA")
    assert [found.getpixel((x, 0)) for x in range(2)] == [(255, 0, 0, 0), (0, 0, 255, 128)]


def _of_a_palette(palette: bytes | None, alphas: bytes = b"") -> bytes:
    """A PNG of two pixels, the first two colours of its palette."""
    chunk = pictures.png_chunk
    chunks = [chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 8, 3, 0, 0, 0))]
    if palette is not None:
        chunks.append(chunk(b"PLTE", palette))
    if alphas:
        chunks.append(chunk(b"tRNS", alphas))
    chunks += [chunk(b"IDAT", zlib.compress(b"\0\0\1")), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


async def test_a_jpeg_of_too_many_scans_is_invalid(darkroom: Darkroom) -> None:
    data = pictures.jpeg(progressive=True)
    last_scan = data[data.rindex(b"\xff\xda") : -2]

    with pytest.raises(PictureInvalid, match="scans"):
        await develop(darkroom, data[:-2] + last_scan * MAX_SCANS + data[-2:])


async def test_an_upload_of_too_many_bytes_is_too_large(darkroom: Darkroom) -> None:
    fits = pictures.png() + bytes(MAX_BYTES - len(pictures.png()))
    assert (await develop(darkroom, fits)).width == 640

    with pytest.raises(PictureTooLarge, match="10 MiB"):
        await develop(darkroom, fits + b"\0")


@pytest.mark.parametrize("format_", ["PNG", "JPEG"])
async def test_a_picture_of_too_many_pixels_is_too_large(darkroom: Darkroom, format_: str) -> None:
    large = pictures.encoded(Image.new("L", (5001, 5000)).convert("RGB"), format_)

    with pytest.raises(PictureTooLarge, match="5001 x 5000 pixels"):
        await develop(darkroom, large)


class MeetingUpload(io.BytesIO):
    """An upload that is read only when another one is being read, and counts how many are."""

    meeting = threading.Barrier(2, timeout=10)
    lock = threading.Lock()
    now = most = 0

    def read(self, size: int | None = -1, /) -> bytes:
        with self.lock:
            MeetingUpload.now += 1
            MeetingUpload.most = max(self.most, self.now)
        self.meeting.wait()
        with self.lock:
            MeetingUpload.now -= 1
        return super().read(size)


async def test_two_pictures_are_developed_at_once_and_never_more(darkroom: Darkroom) -> None:
    uploads = [MeetingUpload(pictures.png(64, 48)) for _ in range(8)]

    developed = await asyncio.gather(*(darkroom.develop(upload) for upload in uploads))

    assert len(developed) == 8
    assert MeetingUpload.most == 2


@settings(max_examples=300)
@given(magic=st.sampled_from(MAGIC), rest=st.binary(max_size=400))
async def test_random_bytes_raise_nothing_but_picture_errors(
    darkroom: Darkroom, magic: bytes, rest: bytes
) -> None:
    with pytest.raises(PictureError):
        await develop(darkroom, magic + rest)


@settings(max_examples=300)
@given(
    whole=st.sampled_from(WHOLE),
    place=st.floats(0, 1, exclude_max=True),
    rest=st.binary(min_size=1, max_size=8),
)
async def test_a_picture_with_flipped_bytes_is_developed_or_refused(
    darkroom: Darkroom, whole: bytes, place: float, rest: bytes
) -> None:
    at = int(place * len(whole))
    try:
        picture = await develop(darkroom, whole[:at] + rest + whole[at + len(rest) :])
    except PictureError:
        return
    assert opened(picture.data).size == (picture.width, picture.height)
