"""Where a served classifier looked: asked of it in covered images, since an exported file has no gradients."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.classifier import MIN_PROBABILITY
from striate.explain.methods import count_occlusions, occlusion
from striate.serving.http_errors import RequestError
from striate.serving.model_registry import ModelRegistry, ServedModel


async def explain_image(registry: ModelRegistry, served_model: ServedModel, encoded_image: bytes) -> dict[str, Any]:
    """Returns the class answered, the image as the network is given it and the same with heat over it (as addresses
    that hold PNGs), and their height and width.

    The heat is that of `striate explain --method occlusion`, of the logarithm of the class's probability.

    Raises:
        Fault: the image cannot be decoded, or there is more to do than the server takes on.
    """
    height, width, _ = served_model.classifier.preprocessing.shape
    with registry.reserve_capacity(1 + count_occlusions(height, width)):
        (pixels,) = await registry.decode_pool.decode(served_model.classifier.preprocessing, [encoded_image])
        if isinstance(pixels, str):
            raise RequestError("undecodable", pixels)
        (row,) = await registry.predict_probabilities(served_model, [pixels])
        label = int(row.argmax())
        loop = asyncio.get_running_loop()

        def predict_log_probabilities(occluded_images: NDArray[np.uint8]) -> NDArray[np.float64]:
            rows = asyncio.run_coroutine_threadsafe(
                registry.predict_probabilities(served_model, list(occluded_images)), loop
            ).result()
            return np.log(np.maximum(np.stack(rows), MIN_PROBABILITY))

        found = await asyncio.to_thread(occlusion, predict_log_probabilities, pixels[None], np.array([label]))
        shown, overlaid = await asyncio.to_thread(_render_images, pixels, found[0])
    return {
        "classifier": served_model.name,
        "version": served_model.version,
        "label": served_model.classifier.classes[label],
        "height": height,
        "width": width,
        "pixels": shown,
        "overlay": overlaid,
    }


def _render_images(pixels: NDArray[np.uint8], heatmap: NDArray[np.float32]) -> tuple[str, str]:
    from striate.explain.heatmap import render_overlay  # with matplotlib, which most servers never need
    from striate.reporting.html import encode_image_uri

    side = max(pixels.shape)
    return encode_image_uri(pixels, side), encode_image_uri(render_overlay(pixels, heatmap), side)
