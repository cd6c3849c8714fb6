"""Where a served classifier looked: asked of it in covered pictures, since an exported file has no gradients."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.classifier import TINY
from striate.explain.methods import occlusion, squares_on
from striate.serving.http_errors import Fault
from striate.serving.model_registry import House, Served


async def heat(house: House, served: Served, data: bytes) -> dict[str, Any]:
    """Returns the class answered, the picture as the network is given it and the same with heat over it (as addresses
    that hold PNGs), and their height and width.

    The heat is that of `striate explain --method occlusion`, of the logarithm of the class's probability.

    Raises:
        Fault: the picture cannot be decoded, or there is more to do than the server takes on.
    """
    height, width, _ = served.classifier.preprocessing.shape
    with house.room_for(1 + squares_on(height, width)):
        (pixels,) = await house.decoders.decode(served.classifier.preprocessing, [data])
        if isinstance(pixels, str):
            raise Fault("undecodable", pixels)
        (row,) = await house.shares(served, [pixels])
        label = int(row.argmax())
        loop = asyncio.get_running_loop()

        def answer(covered: NDArray[np.uint8]) -> NDArray[np.float64]:
            rows = asyncio.run_coroutine_threadsafe(house.shares(served, list(covered)), loop).result()
            return np.log(np.maximum(np.stack(rows), TINY))

        found = await asyncio.to_thread(occlusion, answer, pixels[None], np.array([label]))
        shown, overlaid = await asyncio.to_thread(_drawn, pixels, found[0])
    return {
        "classifier": served.name,
        "version": served.version,
        "label": served.classifier.classes[label],
        "height": height,
        "width": width,
        "pixels": shown,
        "overlay": overlaid,
    }


def _drawn(pixels: NDArray[np.uint8], found: NDArray[np.float32]) -> tuple[str, str]:
    from striate.explain.heatmap import overlay  # with matplotlib, which most servers never need
    from striate.reporting.html import picture

    side = max(pixels.shape)
    return picture(pixels, side), picture(overlay(pixels, found), side)
