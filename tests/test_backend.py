"""The door to Keras: what comes through it, and what stays outside until it is used."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
import threading

import pytest

GALLERY = """
import sys
from striate.backend import keras
assert not [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]
import numpy as np
import matplotlib
matplotlib.use("agg")
keras.visualization.plot_image_gallery(np.zeros((1, 4, 4, 3), np.uint8), rows=1, cols=1, path=sys.argv[1])
from keras.src.visualization.plot_bounding_box_gallery import patches
assert patches.Patch.__name__ == "Patch"
assert "matplotlib.pyplot" in sys.modules
"""


@pytest.mark.backend
def test_keras_comes_without_matplotlib_and_its_galleries_still_draw(tmp_path):
    path = tmp_path / "gallery.png"
    subprocess.run([sys.executable, "-c", GALLERY, str(path)], check=True)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_other_threads_may_import_matplotlib_meanwhile():
    from striate.backend import _without_matplotlib

    found = []
    with _without_matplotlib():
        sys.modules.pop("matplotlib.sankey", None)
        assert importlib.util.find_spec("matplotlib") is not None
        with pytest.raises(ImportError, match="together with Keras"):
            importlib.import_module("matplotlib.sankey")
        thread = threading.Thread(target=lambda: found.append(importlib.import_module("matplotlib.sankey")))
        thread.start()
        thread.join()
    assert found[0].Sankey
    assert importlib.import_module("matplotlib.sankey") is found[0]
