"""Recipe: every number that shapes a training, in one frozen value. Written into each run, and valid as input again."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from striate.config import frozen_config
from striate.data.augment import Augment
from striate.data.preprocessing import FitMode, SideLength

Count = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]


@frozen_config
class Recipe:
    """How a model is trained. None means: chosen from the data (see plan.py); a run's recipe.json has no None
    left except where None is itself a prediction (`patience`, `minutes`, `steps_per_epoch`, and `fine_tune_rate` where
    there is no fine-tuning).

    Attributes:
        name: the recipe's name, for people.
        architecture: the model's name.
        pretrained: weights to begin with: `imagenet`, a file of them, or `none`.
        fine_tune: epochs in which the pretrained layers learn too, after those of the last layer alone (see
            transfer.py); 0 leaves them as they are, and then what they see is computed once.
        fine_tune_rate: the last layer's peak learning rate in those epochs; None for a twentieth of
            `learning_rate`.
        height: rows of the images, pixels.
        width: columns of the images, pixels.
        channels: 1 (grayscale) or 3 (color).
        fit: how an image of another shape is brought to the size.
        epochs: passes over the training images, at most.
        minutes: plan the epochs, by measuring a few steps, so that the training takes about so long; with pretrained
            weights, plan those of `fine_tune` so that it takes at most so long.
        steps_per_epoch: steps after which an epoch ends; None for all that the images fill.
        batch: images per step.
        optimizer: Adam (Kingma and Ba 2015), AdamW (Loshchilov and Hutter 2019) or SGD with Nesterov momentum 0.9.
        learning_rate: the constant rate, or the schedule's peak.
        schedule: `constant`; or `cosine`: a linear rise, then half a cosine down to zero (Loshchilov and Hutter 2017);
            or `step`: a tenth after half of all steps and a hundredth after three quarters (He et al. 2015, 4.2).
        warmup: fraction of all steps that the linear rise takes.
        weight_decay: decoupled, per step and unit of learning rate; AdamW and SGD only.
        label_smoothing: fraction of the target that is spread over all classes (Szegedy et al. 2016).
        dropout: rate before the last layers, 0 for none, None for the model's own.
        augment: random changes, or a word for them (see augment.resolve).
        precision: Keras' dtype policy while training, or `auto`: bfloat16 where it is measured to be faster (see
            precision.py). The classifier that comes out computes in float32.
        tta: test-time augmentation of the classifier that comes out: `mirror` answers with the mean over an image and
            its mirror image, in twice the time, `multicrop` over six views; `auto` mirrors where training does.
        patience: epochs without a better validation loss before training stops; None never stops early.
        keep: `best`: the weights of the epoch with the lowest validation loss; `last`: those of the last epoch.
        seed: of initial weights, dropout, order, augmentation and split.
    """

    name: str = "custom"
    architecture: str | None = None
    pretrained: str | None = None
    fine_tune: Annotated[int, Meta(ge=0)] = 0
    fine_tune_rate: Annotated[float, Meta(gt=0)] | None = None
    height: SideLength | None = None
    width: SideLength | None = None
    channels: Literal[1, 3] | None = None
    fit: FitMode = "stretch"
    epochs: Count | None = None
    minutes: Annotated[float, Meta(gt=0)] | None = None
    steps_per_epoch: Count | None = None
    batch: Count | None = None
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: Annotated[float, Meta(gt=0)] = 1e-3
    schedule: Literal["constant", "cosine", "step"] = "constant"
    warmup: Share = 0.0
    weight_decay: Annotated[float, Meta(ge=0)] = 0.0
    label_smoothing: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    dropout: Annotated[float, Meta(ge=0, lt=1)] | None = None
    augment: Augment | str = "none"
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = "auto"
    tta: Literal["none", "mirror", "multicrop", "auto"] = "none"
    patience: Count | None = None
    keep: Literal["best", "last"] = "best"
    seed: Annotated[int, Meta(ge=0, lt=2**32)] = 0

    @property
    def weights(self) -> str | None:
        """The pretrained weights to begin with, or None; of an unplanned recipe, those that are asked for."""
        return None if self.pretrained == "none" else self.pretrained
