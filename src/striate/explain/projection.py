"""Many numbers for each image as two, so that a map can be drawn."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.errors import ConfigError, DataError, UnknownNameError

PROJECTION_METHODS = ("pca", "tsne", "umap")
MIN_IMAGES = 5  # images
MAX_PCA_COMPONENTS = 50  # dimensions that t-SNE and UMAP are given at most, by PCA


@dataclass(frozen=True, eq=False)
class Projection:
    """Where images lie on a map.

    Attributes:
        points: (n, 2) float32.
        method: how they were found.
        explained_variance_ratio: fraction of the vectors' variance along the two axes, 0..1; None where undefined.
    """

    points: NDArray[np.float32]
    method: str
    explained_variance_ratio: float | None = None

    @property
    def caveat(self) -> str:
        """What the map may and may not be read for."""
        if self.explained_variance_ratio is not None:
            return (
                f"Principal components: straight axes, which keep {self.explained_variance_ratio:.0%} of the "
                "variance. Images far "
                "apart here are far apart; images close together may not be close."
            )
        name = {"tsne": "t-SNE", "umap": "UMAP"}[self.method]
        return (
            f"{name} keeps neighbors together. The sizes of groups and the distances between them mean little, and "
            "it can show groups where there are none."
        )


def project_embeddings(vectors: NDArray[np.float32], method: str = "pca", seed: int = 0) -> Projection:
    """Returns the map; the same seed gives the same one.

    PCA: Pearson 1901, by scikit-learn. t-SNE: van der Maaten and Hinton 2008, Visualizing data using t-SNE, JMLR 9, by
    scikit-learn, begun from the principal components. UMAP: McInnes, Healy and Melville 2018 (arXiv:1802.03426), by
    umap-learn.

    Args:
        vectors: (n, d), n ≥ 5.
        method: one of METHODS.
        seed: of what is random in t-SNE and UMAP.

    Raises:
        UnknownNameError: no such method.
        DataError: too few images.
        ConfigError: umap-learn is not installed.
    """
    from sklearn.decomposition import PCA

    if method not in PROJECTION_METHODS:
        raise UnknownNameError("method", method, PROJECTION_METHODS)
    if len(vectors) < MIN_IMAGES:
        raise DataError("Too few images for a map", received=len(vectors), expected=f"at least {MIN_IMAGES}")
    components = max(2, min(MAX_PCA_COMPONENTS, *vectors.shape)) if vectors.shape[1] > 1 else 1
    reduced = PCA(components, random_state=seed).fit(vectors)
    placed = reduced.transform(vectors)
    if placed.shape[1] == 1:
        placed = np.column_stack([placed, np.zeros(len(placed))])
    if method == "pca":
        return Projection(placed[:, :2].astype(np.float32), method, float(reduced.explained_variance_ratio_[:2].sum()))
    found = _fit_tsne(placed, seed) if method == "tsne" else _fit_umap(placed, seed)
    return Projection(np.asarray(found, np.float32), method)


def _fit_tsne(vectors: NDArray[np.float64], seed: int) -> NDArray[np.float32]:
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(vectors) - 1) / 3)
    found: NDArray[np.float32] = TSNE(init="pca", perplexity=perplexity, random_state=seed).fit_transform(vectors)
    return found


def _fit_umap(vectors: NDArray[np.float64], seed: int) -> NDArray[np.float32]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of numba and of a TensorFlow that it looks for
            import umap
    except ImportError:
        raise ConfigError(
            "UMAP is not installed",
            received="no package umap-learn",
            hint="pip install 'striate[umap]', or --method tsne",
        ) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a seed means one thread
        neighbors = min(15, len(vectors) - 1)
        found: NDArray[np.float32] = umap.UMAP(n_neighbors=neighbors, random_state=seed).fit_transform(vectors)
    return found
