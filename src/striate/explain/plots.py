"""Filters and feature maps as figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from striate.errors import to_printable
from striate.explain.activation_maximization import MaximizedImages
from striate.explain.embedding_map import LabeledImages
from striate.explain.embeddings import Neighbors
from striate.explain.feature_maps import FeatureMaps
from striate.explain.gradients import Array
from striate.explain.heatmap import shorten_name
from striate.explain.top_activations import TopActivations
from striate.reporting.style import MATPLOTLIB_STYLE, format_percent

if TYPE_CHECKING:
    import matplotlib as mpl
    from matplotlib.figure import Figure

MAX_FILTERS_DRAWN, FILTERS_PER_ROW = 64, 16
MAX_LAYERS_DRAWN, MAX_MAPS_PER_LAYER = 12, 12


def draw_filters(layer_name: str, kernels: Array) -> Figure:
    """Returns a figure of the filters (n, h, w, 1 or 3), the first 64: a grayscale model's with blue for weights below
    zero and red above, a color model's in the colors that they answer to, grayscale being zero. Each has its own scale.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    shown = kernels[:MAX_FILTERS_DRAWN]
    columns = min(FILTERS_PER_ROW, len(shown))
    rows = -(-len(shown) // columns)
    with mpl.rc_context(MATPLOTLIB_STYLE):
        drawn = Figure(figsize=(max(4.8, 0.62 * columns), 0.75 + 0.66 * rows), layout="constrained")
        count = f"{len(shown)} of {len(kernels)}" if len(shown) < len(kernels) else f"{len(kernels)}"
        side = "×".join(map(str, kernels.shape[1:3]))
        _add_title(drawn, f"{count} filters of {side} in {to_printable(layer_name)}")
        for ax, kernel in zip(_create_axes(drawn, rows, columns), shown, strict=False):
            scaled = kernel / (np.abs(kernel).max() or 1)
            if kernel.shape[2] == 1:
                ax.imshow(scaled[:, :, 0], cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
            else:
                ax.imshow(0.5 + scaled / 2, interpolation="nearest")
    return drawn


def draw_feature_maps(image: NDArray[np.uint8], feature_maps: Sequence[FeatureMaps], title: str) -> Figure:
    """Returns a figure with a row a layer, at most 12 layers spread evenly: the image first, then the maps that
    answer most strongly, at most 12, each on its own scale that holds 0; channels are numbered
    from 0.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    which = np.unique(
        np.linspace(0, len(feature_maps) - 1, min(MAX_LAYERS_DRAWN, len(feature_maps))).round().astype(int)
    )
    chosen = [feature_maps[index] for index in which]
    columns = min(MAX_MAPS_PER_LAYER, max(one.values.shape[2] for one in chosen))
    with mpl.rc_context(MATPLOTLIB_STYLE):
        drawn = Figure(figsize=(max(5.5, 0.95 * columns), 0.8 + 1.3 * (len(chosen) + 1)), layout="constrained")
        _add_title(drawn, title)
        axes = _create_axes(drawn, len(chosen) + 1, columns)
        axes[0].imshow(image[:, :, 0] if image.shape[2] == 1 else image, cmap="gray", interpolation="nearest")
        axes[0].set_title("the image", fontsize=8, fontweight="normal", loc="left")
        for row, one in enumerate(chosen, 1):
            strongest = np.argsort(-np.abs(one.values).mean(axis=(0, 1)), kind="stable")[:columns]
            for column, channel in enumerate(sorted(strongest.tolist())):
                ax = axes[row * columns + column]
                values = one.values[:, :, channel]
                low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
                ax.imshow(values, cmap="magma", vmin=low, vmax=high, interpolation="nearest")
                words = f"{to_printable(one.layer)}  {'×'.join(map(str, one.values.shape))}\n" if column == 0 else "\n"
                ax.set_title(f"{words}{channel}", fontsize=7, fontweight="normal", loc="left")
    return drawn


def _add_title(figure: Figure, title: str) -> None:
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")


def _create_axes(figure: Figure, rows: int, columns: int) -> Any:
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes:
        ax.axis("off")
    return axes


MAX_UNITS_DRAWN = 12  # in a figure


def select_units(activations: TopActivations, max_units: int = MAX_UNITS_DRAWN) -> list[int]:
    """Returns units to show where none is asked for: living ones, spread evenly over the layer."""
    living = np.flatnonzero(~activations.is_dead)
    even = np.linspace(0, len(living) - 1, min(max_units, len(living))).round().astype(int)
    return [int(unit) for unit in living[np.unique(even)]]


def draw_top_activations(
    activations: TopActivations,
    pixels: NDArray[np.uint8],
    units: Sequence[int],
    maximized_images: MaximizedImages | None = None,
    labels: Sequence[str] | None = None,
) -> Figure:
    """Returns a figure with a row a unit: the image made for it, if there is one, then the parts of images that
    excite it most, with its prediction, and the image's class where that is known.

    Args:
        activations: about the units.
        pixels: (n, h, w, c) uint8, the images that it stands on.
        units: to show.
        maximized_images: for the same units, in order.
        labels: (n,) names.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    ranks = activations.values.shape[1]
    columns = ranks + (maximized_images is not None)
    with mpl.rc_context(MATPLOTLIB_STYLE):
        drawn = Figure(figsize=(max(5.0, 0.6 + 1.05 * columns), 0.75 + 1.3 * len(units)), layout="constrained")
        drawn.suptitle(
            f"What excites units of {to_printable(activations.layer)} most",
            x=0.01,
            ha="left",
            fontsize=12,
            fontweight="bold",
        )
        axes = drawn.subplots(len(units), columns, squeeze=False)
        for ax in axes.ravel():
            ax.set_xticks([])
            ax.set_yticks([])
            ax.grid(visible=False)
            for side in ax.spines.values():
                side.set_visible(False)
        for row, unit in enumerate(units):
            if maximized_images is not None:
                _show_unit(axes[row, 0], maximized_images.pixels[row], "made for it")
            axes[row, 0].set_ylabel(f"{unit}", rotation=0, ha="right", va="center", fontsize=10, fontweight="bold")
            for rank in range(ranks):
                image = int(activations.image_indices[unit, rank])
                name = "" if labels is None else f"{to_printable(labels[image])[:10]}: "
                part = activations.crop(pixels[image], unit, rank)
                _show_unit(
                    axes[row, rank + (maximized_images is not None)],
                    part,
                    f"{name}{activations.values[unit, rank]:.3g}",
                )
    return drawn


def _show_unit(ax: mpl.axes.Axes, pixels: NDArray[np.uint8], title: str) -> None:
    ax.imshow(
        pixels[:, :, 0] if pixels.shape[2] == 1 else pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest"
    )
    ax.set_title(title, fontsize=7, fontweight="normal", loc="left")


MAX_IMAGES_DRAWN = 12  # images in a figure


def draw_neighbors(
    image_names: Sequence[str],
    pixels: NDArray[np.uint8],
    probabilities: NDArray[np.float64],
    training_images: LabeledImages,
    neighbors: Neighbors,
    classes: Sequence[str],
) -> Figure:
    """Returns a figure with a row an image, the first MOST: the image with its prediction, then what it is similar
    to, with class and similarity.

    Args:
        image_names: of the images.
        pixels: (n, h, w, c) uint8.
        probabilities: (n, classes).
        training_images: the training images.
        neighbors: which of them are near.
        classes: names.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows, columns = min(MAX_IMAGES_DRAWN, len(pixels)), 1 + neighbors.indices.shape[1]
    with mpl.rc_context(MATPLOTLIB_STYLE):
        drawn = Figure(figsize=(max(5.2, 1.45 * columns), 0.7 + 1.75 * rows), layout="constrained")
        drawn.suptitle("Because it is similar to these", x=0.01, ha="left", fontsize=12, fontweight="bold")
        axes = drawn.subplots(rows, columns, squeeze=False)
        for ax in axes.ravel():
            ax.axis("off")
        for row in range(rows):
            said = int(probabilities[row].argmax())
            prediction = f"{shorten_name(classes[said])} {format_percent(float(probabilities[row, said]))}"
            _show_neighbor(axes[row, 0], pixels[row], f"{shorten_name(image_names[row])[:20]}\n{prediction}", "bold")
            for rank, index in enumerate(neighbors.indices[row].tolist()):
                name = shorten_name(classes[training_images.labels[index]])[:16]
                words = f"{name}\n{neighbors.similarities[row, rank]:.2f}"
                _show_neighbor(axes[row, rank + 1], training_images.pixels[index], words, "normal")
    return drawn


def _show_neighbor(ax: mpl.axes.Axes, pixels: NDArray[np.uint8], title: str, font_weight: str) -> None:
    flat = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
    ax.imshow(flat, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.set_title(title, fontsize=8, fontweight=font_weight, loc="left")
