"""Keras is imported without what it rarely uses, and uses it nevertheless."""

from __future__ import annotations

import subprocess
import sys

from PIL import Image

WITHIN = """
import sys
from striate.system.backend import _defer_imports
with _defer_imports():
    import matplotlib.pyplot as plt
    from matplotlib import patches
"""
"""What Keras does when it is imported."""


def told(script, *words):
    """Returns what a script prints in a process of its own."""
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_stand_in_imports_the_module_when_a_name_of_it_is_used():
    script = f"""{WITHIN}
print(any(name.startswith("matplotlib") for name in sys.modules))
print(plt.rcParams["font.size"])
import matplotlib
print(plt.figure is sys.modules["matplotlib.pyplot"].figure, patches.Patch is matplotlib.patches.Patch)
"""
    assert told(script) == ["False", "10.0", "True", "True"]


def test_what_another_thread_imports_meanwhile_is_the_real_module():
    script = f"""{WITHIN}
    import matplotlib as mpl
    version = mpl.__version__
    from matplotlib.figure import Figure
    Figure().subplots().plot([1, 2])
import matplotlib
print(version == matplotlib.__version__, matplotlib.figure.Figure is Figure, patches.Patch is matplotlib.patches.Patch)
print(any(type(module).__name__ == "_Later" for module in sys.modules.values()))
"""
    assert told(script) == ["True", "True", "True", "False"]


def test_a_module_of_matplotlib_can_be_imported_first_meanwhile():
    script = f"""{WITHIN}
    from matplotlib.figure import Figure
Figure().subplots().add_patch(patches.Circle((0, 0)))
import matplotlib.figure
print(matplotlib.figure.Figure is Figure)
"""
    assert told(script) == ["True"]


def test_matplotlib_stays_where_it_was_imported_before():
    script = (
        f"import matplotlib.pyplot as before\n{WITHIN}\nprint(plt is before, before is sys.modules[before.__name__])"
    )
    assert told(script) == ["True", "True"]


def test_keras_wraps_models_for_scikit_learn_though_it_is_imported_without_it():
    script = """
import sys
from striate.system.backend import keras
keras.ops
print("sklearn" in sys.modules)
import sklearn.base
print(issubclass(keras.wrappers.SKLearnClassifier, sklearn.base.BaseEstimator))
import keras.wrappers
print(keras.wrappers.SKLearnClassifier.__module__, keras.wrappers is sys.modules["keras.wrappers"])
"""
    assert told(script) == ["False", "True", "keras.src.wrappers.sklearn_wrapper", "True"]


def test_keras_plots_though_it_is_imported_without_matplotlib(tmp_path):
    script = """
import sys
import numpy as np
from striate.system.backend import keras
keras.ops
print(any(name.startswith("matplotlib") for name in sys.modules))
import matplotlib
matplotlib.use("agg")
images = np.zeros((2, 8, 8, 3))
keras.visualization.plot_image_gallery(images, value_range=(0, 255), rows=1, cols=2, path=sys.argv[1])
"""
    path = tmp_path / "gallery.png"
    assert told(script, path) == ["False"]
    with Image.open(path) as image:
        assert image.format == "PNG"
