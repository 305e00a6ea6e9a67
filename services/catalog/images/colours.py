"""The colours that the numbers in a picture stand for, in sRGB of 8 bits a channel."""

import io
from collections.abc import Sequence
from contextlib import suppress
from itertools import product

from PIL import Image, ImageChops, ImageCms
from PIL.PngImagePlugin import PngImageFile


def with_transparent_colour(file: bytes, colour: tuple[int, ...]) -> Image.Image:
    """A PNG of 16 bits a channel, transparent where all of these are the colour's."""
    differing = _differing(half(file, lower=True), [value & 255 for value in colour])
    image = half(file)
    differing = ImageChops.lighter(differing, _differing(image, [value >> 8 for value in colour]))
    image.putalpha(differing)
    return image


def half(file: bytes, *, lower: bool = False) -> Image.Image:
    """The upper 8 bits of a PNG's 16, which are what is shown, or the lower."""
    source = PngImageFile(io.BytesIO(file))
    if source.mode == "I;16":
        shift = 0 if lower else 8
        return source.convert("I").point([value >> shift & 255 for value in range(2**16)], "L")
    if lower:
        # As of the other byte order, whose upper half stands where our lower one does.
        source.tile = [tile._replace(args="RGB;16L") for tile in source.tile]
    source.load()
    return source


def _differing(image: Image.Image, colour: Sequence[int]) -> Image.Image:
    """255 where a picture has another colour than this, else 0."""
    differing = Image.new("L", image.size)
    for channel, value in enumerate(colour):
        table = [255 * (each != value) for each in range(256)]
        differing = ImageChops.lighter(differing, image.getchannel(channel).point(table))
    return differing


def in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """The picture by its profile; one that is broken or made for other channels is dropped."""
    alpha = image.getchannel("A") if image.mode == "LA" else None
    if image.mode in {"1", "LA"}:
        image = image.convert("L")
    elif image.mode == "P":
        image = without_palette(image)
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    with suppress(ImageCms.PyCMSError, OSError):
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(source, srgb, image.mode, mode)
        if image.mode != mode:
            image = ImageCms.applyTransform(image, transform) or image
        elif _changes(transform, mode):
            ImageCms.applyTransform(image, transform, inPlace=True)
    if alpha is not None:
        image.putalpha(alpha)
    return image


def _changes(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether it makes other colours of any of 4,096; most profiles are sRGB's, and do not."""
    steps = range(0, 256, 17)
    colours = bytes(value for colour in product(steps, repeat=3) for value in colour)
    probe = Image.frombytes("RGB", (64, 64), colours).convert(mode)
    differences = ImageChops.difference(probe, ImageCms.applyTransform(probe, transform) or probe)
    larger = differences.convert("RGB").point([255 * (each > 1) for each in range(256)] * 3)
    return larger.getbbox() is not None


def without_palette(image: Image.Image) -> Image.Image:
    """The picture with its colours in its pixels, and what is transparent."""
    return image.convert("RGBA" if image.has_transparency_data else "RGB")
