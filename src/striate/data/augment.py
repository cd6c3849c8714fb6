"""What may be changed about an image while training: one random affine map and a change of brightness.

All geometric changes are composed into one matrix, so that an image is resampled once. What is drawn is a pure
function of the generator handed in; see batches.py for its seed.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from striate.config import frozen_config, replace_config
from striate.data.image_set import ImageKind
from striate.errors import ConfigError, UnknownNameError

Fraction = Annotated[float, Meta(ge=0, le=0.9)]
Degrees = Annotated[float, Meta(ge=0, le=180)]

ALL_ROWS = slice(None)

_OPENCV_BORDERS = {"black": "BORDER_CONSTANT", "edge": "BORDER_REPLICATE", "mirror": "BORDER_REFLECT_101"}
"""What lies beyond an edge → OpenCV's name for it."""

_NUMPY_PAD_MODES: dict[str, Literal["constant", "edge", "reflect"]] = {
    "black": "constant",
    "edge": "edge",
    "mirror": "reflect",
}


@frozen_config
class Augment:
    """Ranges that random changes are drawn from; zero leaves that property alone.

    Attributes:
        flip: mirror left and right, every second time; a training mirrors each image in every second epoch (Jordan
            2024, arXiv:2404.00498, section 3.6).
        shift: up to this fraction of the side, each way; by whole pixels where nothing turns or scales the image.
        rotate: up to this many degrees, each way.
        shear: up to this many degrees, each way.
        zoom: by a factor between 1 - zoom and 1 + zoom.
        brightness: times a factor between 1 - brightness and 1 + brightness.
        cutout: a square with this fraction of the side, at a random place, in the image's mean color (DeVries and
            Taylor 2017, arXiv:1708.04552).
        border: what appears where the image has moved away.
    """

    flip: bool = False
    shift: Fraction = 0.0
    rotate: Degrees = 0.0
    shear: Annotated[float, Meta(ge=0, le=60)] = 0.0
    zoom: Fraction = 0.0
    brightness: Fraction = 0.0
    cutout: Fraction = 0.0
    border: Literal["black", "edge", "mirror"] = "mirror"

    @property
    def is_geometric(self) -> bool:
        """Whether pixels move."""
        return self.flip or any((self.shift, self.rotate, self.shear, self.zoom))

    def __call__(
        self,
        pixels: NDArray[np.uint8],
        rng: np.random.Generator,
        flip_mask: NDArray[np.bool_] | None = None,
        *,
        batch_size: int | None = None,
        rows: slice = ALL_ROWS,
    ) -> NDArray[np.uint8]:
        """Returns changed copies of the images (n, h, w, c) uint8, each in its own way.

        Args:
            pixels: the images.
            rng: what is drawn from.
            flip_mask: which are to be mirrored, where `flip` is set; drawn unless told.
            batch_size: of a batch that the images are some of: they are changed as they would be within it.
            rows: which of it they are.
        """
        import cv2

        batch_size = len(pixels) if batch_size is None else batch_size
        if not self.flip:
            flip_mask = np.zeros(batch_size, bool)
        elif flip_mask is None:
            flip_mask = rng.random(batch_size) < 0.5
        if not any((self.rotate, self.shear, self.zoom)):
            pixels = self._shift_and_flip(pixels, rng, flip_mask, rows) if self.is_geometric else pixels
        else:
            out = np.empty_like(pixels)
            height, width = pixels.shape[1:3]
            matrices = self.sample_affine_matrices(flip_mask, height, width, rng)[rows]
            for image, matrix, place in zip(pixels, matrices, out, strict=True):
                moved = cv2.warpAffine(
                    image,
                    matrix,
                    (width, height),
                    flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                    borderMode=getattr(cv2, _OPENCV_BORDERS[self.border]),
                )
                place[...] = moved.reshape(place.shape)
            pixels = out
        if self.brightness:
            factors = rng.uniform(1 - self.brightness, 1 + self.brightness, (batch_size, 1, 1, 1))[rows]
            pixels = np.clip(pixels * factors.astype(np.float32), 0, 255).astype(np.uint8)
        return self._apply_cutout(pixels, rng, batch_size, rows) if self.cutout else pixels

    def _apply_cutout(
        self, pixels: NDArray[np.uint8], rng: np.random.Generator, batch_size: int, rows: slice
    ) -> NDArray[np.uint8]:
        """Returns copies in which a square of each image shows nothing; at the rim a part of it lies outside."""
        _, height, width, _ = pixels.shape
        pixels = pixels.copy()
        means = pixels[:, ::4, ::4].mean(axis=(1, 2)).astype(np.uint8)  # of a sixteenth: near enough
        tall, wide = (max(1, round(self.cutout * side)) for side in (height, width))
        y, x = (
            rng.integers(-(reach // 2), side - reach // 2, batch_size)[rows]
            for reach, side in ((tall, height), (wide, width))
        )
        for image, mean, top, left in zip(pixels, means, y.tolist(), x.tolist(), strict=True):
            image[max(0, top) : top + tall, max(0, left) : left + wide] = mean
        return pixels

    def _shift_and_flip(
        self, pixels: NDArray[np.uint8], rng: np.random.Generator, flip_mask: NDArray[np.bool_], rows: slice
    ) -> NDArray[np.uint8]:
        """Returns the images moved by whole pixels and mirrored: a quarter of the work, and nothing is blurred."""
        _, height, width, _ = pixels.shape
        most = [round(self.shift * side) for side in (height, width)]
        y, x = (rng.integers(0, 2 * reach + 1, len(flip_mask))[rows] for reach in most)
        step = np.where(flip_mask[rows], -1, 1)
        wide = np.pad(pixels, ((0, 0), *((reach, reach) for reach in most), (0, 0)), _NUMPY_PAD_MODES[self.border])
        out = np.empty_like(pixels)
        for place, image, top, left, way in zip(out, wide, y.tolist(), x.tolist(), step.tolist(), strict=True):
            place[...] = image[top : top + height, left : left + width][:, ::way]
        return out

    def sample_affine_matrices(
        self, flip_mask: NDArray[np.bool_], height: int, width: int, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Returns a random (2, 3) map for each image, from its changed pixels to the original's."""
        count = len(flip_mask)
        angle = np.deg2rad(rng.uniform(-self.rotate, self.rotate, count))
        slant = np.tan(np.deg2rad(rng.uniform(-self.shear, self.shear, count)))
        scale = rng.uniform(1 - self.zoom, 1 + self.zoom, count)
        shift = rng.uniform(-self.shift, self.shift, (2, count)) * [[width], [height]]
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
        skew = np.tile(np.eye(2), (count, 1, 1))
        skew[:, 0, 1] = slant
        linear = turn @ skew * (scale * np.ones((2, 2, 1))).transpose(2, 0, 1)
        linear[flip_mask, :, 0] *= -1
        centre = np.array([(width - 1) / 2, (height - 1) / 2])
        offset = centre + shift.T - np.einsum("nij,j->ni", linear, centre)
        return np.concatenate([linear, offset[:, :, None]], axis=2)


NO_AUGMENT = Augment()

AUTO_PRESETS: dict[ImageKind, Augment] = {
    "digits": Augment(shift=0.07, rotate=8, zoom=0.08, border="black"),
    "clothes": Augment(flip=True, shift=0.05, zoom=0.05, border="black"),
    "photos": Augment(flip=True, shift=0.1, rotate=10, zoom=0.2, brightness=0.2),
}
"""By what the images show: a mirrored digit is another sign, a mirrored cat is a cat."""

CLASSIC_PRESETS: dict[ImageKind, Augment] = {
    "digits": NO_AUGMENT,
    "clothes": NO_AUGMENT,
    "photos": Augment(flip=True, shear=0.2, zoom=0.2, border="edge"),
}
"""As the tutorials do it: nothing for digits and clothes; shear 0.2 (degrees), zoom 0.2 and flip for photographs."""


FAST_PRESETS: dict[ImageKind, Augment] = {
    "digits": Augment(shift=0.036, border="black"),
    "clothes": Augment(flip=True, shift=0.07, border="black"),
    "photos": Augment(flip=True, shift=0.0625),
}
"""The least that helps, a few microseconds an image: moved by one or two of 28 or 32 pixels, and mirrored."""


def resolve_augment(augment: Augment | str, kind: ImageKind) -> Augment:
    """Returns the augmentation meant by `augment`.

    Args:
        augment: an Augment, `auto`, `classic`, `fast`, `none`, `digits`, `clothes`, `photos`, or a list such as
            `flip,shift=0.1,rotate=10`.
        kind: what the images show; decides `auto`, `classic` and `fast`.

    Raises:
        ConfigError: not such a word.
    """
    if isinstance(augment, Augment):
        return augment
    fixed: dict[str, Augment] = {
        "auto": AUTO_PRESETS[kind],
        "classic": CLASSIC_PRESETS[kind],
        "fast": FAST_PRESETS[kind],
        "none": NO_AUGMENT,
        **{str(name): value for name, value in AUTO_PRESETS.items()},
    }
    if augment in fixed:
        return fixed[augment]
    changes: dict[str, bool | float | str] = {}
    for part in augment.split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in Augment.__dataclass_fields__:
            raise UnknownNameError("augmentation", name, [*fixed, *Augment.__dataclass_fields__])
        if name == "flip":
            if value:
                raise ConfigError("The augmentation flip takes no value", received=part.strip(), hint="flip")
            changes[name] = True
        elif name == "border":
            changes[name] = value
        else:
            try:
                changes[name] = float(value)
            except ValueError:
                raise ConfigError(
                    f"The augmentation {name} needs a number", received=part.strip(), hint=f"{name}=0.1"
                ) from None
    return replace_config(NO_AUGMENT, "--augment", **changes)
