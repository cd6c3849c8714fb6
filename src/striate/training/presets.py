"""The table of recipes."""

from __future__ import annotations

from pathlib import Path

from striate.config import from_json, replace_config
from striate.errors import ConfigError, UnknownNameError
from striate.training.recipe import Recipe

DEFAULT = Recipe(
    name="default",
    optimizer="adamw",
    learning_rate=2e-3,
    schedule="cosine",
    warmup=0.1,
    weight_decay=0.01,
    label_smoothing=0.05,
    dropout=0.3,
    augment="auto",
    keep="best",
)
"""What a good engineer would start with: AdamW under one rise and one long fall of the rate, dropout, changes that
fit what the images show, and the best epoch kept. Epochs and batch follow from the number of images."""

CLASSIC = Recipe(
    name="classic",
    pretrained="none",
    epochs=10,
    batch=32,
    optimizer="adam",
    learning_rate=1e-3,
    augment="classic",
    keep="last",
)
"""The tutorials': Adam at its default constant rate, ten epochs, the last epoch kept; no augmentation for digits and
clothes, shear, zoom and flip for photographs. Overfitting shows, which is what the clothes tutorial is about."""

RESNET_CIFAR = Recipe(
    name="resnet-cifar",
    architecture="resnet20",
    pretrained="none",
    epochs=164,
    batch=128,
    optimizer="sgd",
    learning_rate=0.1,
    schedule="step",
    weight_decay=1e-3,
    dropout=0.0,
    augment="flip,shift=0.125,border=black",
    keep="last",
)
"""How the CIFAR models were trained in their paper (He et al. 2015, section 4.2): 64,000 steps of SGD, the rate
divided by ten twice, images mirrored and shifted by up to four pixels. The decay of 1e-3 is the paper's 1e-4: Keras
takes it off the weights themselves, not off the gradient, which momentum 0.9 would multiply by ten. The momentum is
Nesterov's. On two cores an epoch of 50,000 images takes half a minute, so shorten it: with --epochs 20 the lossy JPEG
copy of CIFAR-10 (JPEG quality 75) is told apart at 82.7 % (82.0 to 83.5); before the rate falls, at about 76 %."""

FAST_DIGITS = Recipe(
    name="fast-digits",
    architecture="cnn-fast",
    pretrained="none",
    epochs=2,
    batch=250,
    optimizer="adamw",
    learning_rate=1.5e-2,
    schedule="cosine",
    warmup=0.25,
    weight_decay=0.01,
    label_smoothing=0.1,
    dropout=0.0,
    augment="shift=0.036,border=black",
    keep="last",
)
"""Digits in seconds: images moved by up to a pixel, one steep rise and fall of the rate (Smith and Topin 2019),
batch-norm that forgets fast. MNIST's test images, mean and deviation of five seeds on two cores (AMD EPYC,
AVX-512, bfloat16): 160 steps 98.91 ± 0.09 % in 2.7 s, compiling included; 14 epochs 99.56 ± 0.03 % in 30 s, where
the tutorial's ten epochs reach 98.94 ± 0.10 % in 41 s."""

FAST_CLOTHES = replace_config(FAST_DIGITS, name="fast-clothes", epochs=10, augment="flip", tta="auto")
"""Clothes in seconds: the same with images mirrored, in training and in predictions. Fashion-MNIST's test images, mean
and deviation of five seeds on the same machine: 93.17 ± 0.17 % in 26 s, where the tutorial's twenty epochs reach
92.10 ± 0.08 % (two seeds) in 320 s."""

FAST = Recipe(
    name="fast",
    architecture="airbench-half",
    pretrained="none",
    batch=128,
    optimizer="sgd",
    learning_rate=0.15,
    schedule="cosine",
    warmup=0.25,
    weight_decay=0.01,
    label_smoothing=0.2,
    dropout=0.0,
    augment="fast",
    tta="auto",
    keep="last",
)
"""The most that minutes give without pretrained weights: a shallow, wide model behind a whitened first convolution,
SGD under one steep rise and fall of its rate, little that is changed about the images, answers averaged with those
for the mirror images (Jordan 2024, arXiv:2404.00498, with the batch and the rate of a processor). Test images, mean
and deviation of five seeds on two cores (AMD EPYC, AVX-512, bfloat16): Fashion-MNIST in 8 epochs 94.03 ± 0.10 % in
252 s; cats and dogs at 64×64 in 30 epochs 93.23 ± 0.33 % in 193 s."""

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for recipe in (DEFAULT, CLASSIC, RESNET_CIFAR, FAST, FAST_DIGITS, FAST_CLOTHES)
}


def recipe_named(recipe: str | Path | Recipe) -> Recipe:
    """Returns the recipe of that name, or the one in a JSON file; a value is returned as it is.

    Raises:
        UnknownNameError: neither a row of RECIPES nor a file.
        ConfigError: the file is not a recipe.
    """
    if isinstance(recipe, Recipe):
        return recipe
    if str(recipe) in RECIPES:
        return RECIPES[str(recipe)]
    path = Path(recipe)
    if path.suffix == ".json" or path.is_file():
        try:
            text = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"The recipe cannot be read: {error.strerror}", received=path) from None
        return from_json(Recipe, text, str(path))
    raise UnknownNameError("recipe", str(recipe), [*RECIPES, "a recipe.json"])
