"""THE way pixels enter: bytes → oriented, converted, resized uint8. Training, prediction, export and serving all
come through here, so that none of them can see other pixels than the rest.
"""

from __future__ import annotations

import io
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from striate.config import frozen_config
from striate.data.decoding import ImageSource, check_file_size, describe_decode_error, open_image_bytes, read_image_file
from striate.errors import DataError, ImageDecodeError

FitMode = Literal["stretch", "crop", "pad"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]
SideLength = Annotated[int, Meta(ge=1, le=8192)]


@frozen_config
class Preprocessing:
    """From any image to a model's input; saved inside every classifier.

    Attributes:
        height: rows of the result, pixels.
        width: columns of the result, pixels.
        channels: 1 (grayscale, ITU-R 601 luma) or 3 (red, green, blue).
        fit: `stretch` to the size, `crop` the centre to the size's aspect ratio, or `pad` to it with `background`.
        background: grayscale value 0..255 behind transparent images and beside padded ones.
        interpolation: Pillow's filter of that name. All but nearest are antialiased: their support widens with
            the reduction, so no pixel of the image is skipped.
    """

    height: SideLength
    width: SideLength
    channels: Literal[1, 3]
    fit: FitMode = "stretch"
    background: Annotated[int, Meta(ge=0, le=255)] = 255
    interpolation: Interpolation = "bilinear"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return (self.height, self.width, self.channels)

    def __call__(self, source: ImageSource) -> NDArray[np.uint8]:
        """Returns the image as (height, width, channels) uint8.

        Raises:
            ImageDecodeError: it cannot be decoded; the message says why.
        """
        if isinstance(source, np.ndarray) and source.dtype == np.uint8 and source.shape == self.shape:
            return source
        image = _load_image(source, self)
        pixels = np.asarray(_resize_image(image.convert("L" if self.channels == 1 else "RGB"), self))
        return pixels.reshape(self.shape)


def decode_image(source: ImageSource, background: int = 255) -> NDArray[np.uint8]:
    """Returns the image at its own size: (h, w, 1) for grayscale ones, (h, w, 3) for all others, uint8 in 0..255.

    EXIF orientation is applied. Transparency is laid over `background`. CMYK, LAB and palettes become RGB; 16-bit
    grayscale is divided by 257. Of animations the first frame is taken.

    Raises:
        ImageDecodeError: it cannot be decoded; the message says why.
    """
    pixels = np.asarray(_load_image(source, None, background))
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def open_image(source: ImageSource) -> Image.Image:
    """Returns the image opened, and not decoded yet: its format, size and mode are known; to be used in a `with`.

    Raises:
        OSError, ValueError, …: whatever Pillow raises at foreign bytes.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    return open_image_bytes(source if isinstance(source, bytes) else read_image_file(source))


def _load_image(source: ImageSource, target: Preprocessing | None, background: int = 255) -> Image.Image:
    """Returns the image as a loaded, oriented "L" or "RGB" image, perhaps already reduced towards `target`."""
    if target is not None:
        background = target.background
    if isinstance(source, np.ndarray):
        return _convert_mode(_from_array(source), background)
    head = b""
    try:
        data = source if isinstance(source, bytes) else read_image_file(source)
        head = data[:512]
        check_file_size(len(data))
        image = open_image_bytes(data)
        if image.format == "PNG":  # Pillow skips the checksums of pixel data unless asked
            Image.open(io.BytesIO(data), formats=("PNG",)).verify()
        if target is not None and image.format in ("JPEG", "MPO"):
            _draft_jpeg(image, target)
        image.load()
        return _convert_mode(_apply_orientation(image), background)
    except Exception as error:  # decoders of foreign bytes raise anything; every one of them means "not decodable"
        raise ImageDecodeError(describe_decode_error(error, head)) from error


def _draft_jpeg(image: Image.Image, target: Preprocessing) -> None:
    """Lets the JPEG decoder reduce by 2, 4 or 8 while it decodes, never below what `target` needs."""
    width, height = image.size
    if is_sideways(image):
        width, height = height, width
    ratios = (width / target.width, height / target.height)
    ratio = max(ratios) if target.fit == "pad" else min(ratios)
    if ratio >= 2:  # an image a few pixels thin must not be asked for with a side of 0
        image.draft("RGB", (max(1, int(image.size[0] / ratio)), max(1, int(image.size[1] / ratio))))


def is_sideways(image: Image.Image) -> bool:
    """Returns whether an EXIF orientation exchanges width and height; an unreadable EXIF block turns nothing."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    except Exception:  # see _apply_orientation
        return False


def _apply_orientation(image: Image.Image) -> Image.Image:
    """Returns the image turned as its EXIF orientation says; an unreadable EXIF block turns nothing."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # the block is foreign bytes too, and the pixels are whole without it
        return image


def _convert_mode(image: Image.Image, background: int) -> Image.Image:
    """Returns an image of any mode as "L" or "RGB"."""
    gray = image.mode in ("1", "L", "LA", "La")
    if image.mode in ("1", "L", "RGB"):
        if "transparency" not in image.info:
            return image.convert("L") if gray else image
        image = image.convert("RGBA")
    if image.mode.startswith("I;16") or image.mode == "I":
        wide = np.asarray(image).astype(np.int64)
        scale = 257 if wide.max(initial=0) > 255 or image.mode != "I" else 1
        narrow = np.where(wide == image.info.get("transparency"), background, np.clip(wide // scale, 0, 255))
        return Image.fromarray(narrow.astype(np.uint8))
    if image.mode == "F":
        real = np.asarray(image)
        if not (np.isfinite(real).all() and real.min() >= 0 and real.max() <= 1):
            raise ValueError("floating-point pixels outside 0..1 have no agreed grayscale scale")
        return Image.fromarray(np.round(real * 255).astype(np.uint8))
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, (background, background, background, 255))
        flat = Image.alpha_composite(ground, image.convert("RGBA"))
        return flat.convert("L" if gray else "RGB")
    if image.mode == "LAB":
        from PIL import ImageCms

        to_rgb = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
        converted = ImageCms.applyTransform(image, to_rgb)
        assert converted is not None  # noqa: S101  (only None when working in place)
        return converted
    return image.convert("RGB")


def _from_array(pixels: NDArray[np.uint8]) -> Image.Image:
    if pixels.dtype != np.uint8:
        raise DataError(
            "Pixels must be 8-bit",
            received=f"an array of {pixels.dtype}",
            expected="uint8 in 0..255",
            hint='(x * 255).round().astype("uint8") if yours lie in 0..1',
        )
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if 0 in pixels.shape or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))):
        raise DataError(
            "Not the shape of one image",
            received=pixels.shape,
            expected="(h, w), (h, w, 1), (h, w, 3) or (h, w, 4)",
        )
    return Image.fromarray(np.ascontiguousarray(pixels))


def _resize_image(image: Image.Image, target: Preprocessing) -> Image.Image:
    size = (target.width, target.height)
    method = Image.Resampling[target.interpolation.upper()]
    if target.fit == "crop":
        return ImageOps.fit(image, size, method)
    if target.fit == "pad":
        color = target.background if image.mode == "L" else (target.background,) * 3
        return ImageOps.pad(image, size, method, color=color)
    return image if image.size == size else image.resize(size, method)
