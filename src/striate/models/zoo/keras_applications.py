"""Models taken from keras.applications as they are: those whose point here is the weights they come with.

The application's layers stand directly in the model, not in a model within it, so that explaining and exporting see
them.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from striate.models.architecture import Architecture, Shape, import_keras
from striate.models.pretrained_weights import BACKBONES


def build_application(shape: Shape, classes: int, dropout: float, seed: int, *, name: str) -> Any:
    """Returns a model of keras.applications with untrained weights, its last maps averaged and classified.

    Its own dropout (stochastic depth, in EfficientNetV2) is off: only the last layer's, `dropout`, is on.
    """
    keras, layers = import_keras()
    backbone = BACKBONES[name]
    images = keras.Input(shape, name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale")(images)
    function = getattr(keras.applications, backbone.application)
    inner = function(include_top=False, weights=None, input_tensor=x, **backbone.options)
    for layer in inner.layers:
        if isinstance(layer, layers.Dropout):
            layer.rate = 0.0
    x = layers.Activation("linear", name="features")(inner.output)
    x = layers.GlobalAveragePooling2D(name="embedding")(x)
    x = layers.Dropout(dropout, seed=seed, name="dropout")(x) if dropout else x
    return keras.Model(images, layers.Dense(classes, dtype="float32", name="logits")(x), name=name)


def _define_application(
    name: str, title: str, authors: str, year: int, source: str, description: str, side: int = 224
) -> Architecture:
    return Architecture(
        name=name,
        build=partial(build_application, name=name),
        title=title,
        authors=authors,
        year=year,
        source=source,
        description=description,
        native_shape=(side, side, 3),
    )


RESNET50_V2 = _define_application(
    "resnet50_v2",
    "ResNet-50, pre-activated",
    "He, Zhang, Ren and Sun",
    2016,
    "Identity mappings in deep residual networks, arXiv:1603.05027, figure 4e",
    "Nothing is left on the shortcut but the sum, so a thousand layers can be trained.",
)

XCEPTION = _define_application(
    "xception",
    "Xception",
    "Chollet",
    2016,
    "Xception: deep learning with depthwise separable convolutions, arXiv:1610.02357, figure 5",
    "Inception taken to its end: what lies side by side and what lies on top of each other are learned apart.",
    299,
)

MOBILENET_V2 = _define_application(
    "mobilenet_v2",
    "MobileNetV2",
    "Sandler, Howard, Zhu, Zhmoginov and Chen",
    2018,
    "MobileNetV2: inverted residuals and linear bottlenecks, arXiv:1801.04381, table 2",
    "Shortcuts between thin layers, wide ones only in between: photographs recognised on a telephone.",
)

MOBILENET_V2_035 = _define_application(
    "mobilenet_v2_0.35",
    "MobileNetV2, 0.35 as wide",
    "Sandler, Howard, Zhu, Zhmoginov and Chen",
    2018,
    "MobileNetV2: inverted residuals and linear bottlenecks, arXiv:1801.04381, table 2, width multiplier 0.35",
    "The same model at a third of the width, for a fifth of the work.",
)

MOBILENET_V3_SMALL = _define_application(
    "mobilenet_v3_small",
    "MobileNetV3-Small",
    "Howard and colleagues",
    2019,
    "Searching for MobileNetV3, arXiv:1905.02244, table 2",
    "A search found the layers, and people thinned out its ends: the smallest model worth starting from.",
)

MOBILENET_V3_LARGE = _define_application(
    "mobilenet_v3_large",
    "MobileNetV3-Large",
    "Howard and colleagues",
    2019,
    "Searching for MobileNetV3, arXiv:1905.02244, table 1",
    "Each map is weighed by what the whole image shows, at hardly any cost.",
)

EFFICIENTNET_V2_B0 = _define_application(
    "efficientnet_v2_b0",
    "EfficientNetV2-B0",
    "Tan and Le",
    2021,
    "EfficientNetV2: smaller models and faster training, arXiv:2104.00298, section 3 and appendix",
    "Depth, width and image size grown together, and measured in training time instead of operations.",
)

EFFICIENTNET_V2_S = _define_application(
    "efficientnet_v2_s",
    "EfficientNetV2-S",
    "Tan and Le",
    2021,
    "EfficientNetV2: smaller models and faster training, arXiv:2104.00298, table 4",
    "Plain convolutions came back where they are faster than the ones that count fewer operations.",
    384,
)
