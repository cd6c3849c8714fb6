"""What a convolutional model is made of, piece by piece: the texts of docs/lessons.md and of the explainer's panel.

A page adds the numbers of its own model to each.
"""

from __future__ import annotations

from dataclasses import dataclass

RUMELHART_1986 = "Rumelhart, Hinton and Williams 1986, Learning representations by back-propagating errors, Nature 323"
LECUN_1998 = (
    "LeCun, Bottou, Bengio and Haffner 1998, Gradient-based learning applied to document recognition, Proc. IEEE 86"
)
GOODFELLOW_2016 = "Goodfellow, Bengio and Courville 2016, Deep Learning, MIT Press"
DUMOULIN_2016 = "Dumoulin and Visin 2016, A guide to convolution arithmetic for deep learning, arXiv:1603.07285"
HE_2015 = "He, Zhang, Ren and Sun 2015, Deep residual learning for image recognition, arXiv:1512.03385"


@dataclass(frozen=True)
class Lesson:
    """One piece.

    Attributes:
        name: for links.
        title: what people call it.
        paragraphs: paragraphs.
        references: where it was first said, or said best.
        step_kinds: the steps of a model that it belongs to (see arithmetic.py).
    """

    name: str
    title: str
    paragraphs: tuple[str, ...]
    references: tuple[str, ...]
    step_kinds: tuple[str, ...] = ()


LESSONS = (
    Lesson(
        "pixels",
        "An image is numbers",
        (
            "A grayscale image is a table of numbers, one for each pixel: 0 is black, 255 is white. A colored image is "
            "three such tables, for red, green and blue, which are called its channels.",
            "Models learn best from small numbers around zero, so the first layer multiplies and shifts them. "
            "Nothing is lost by that, and everything after it gets numbers of a known size.",
        ),
        (f"{GOODFELLOW_2016}, section 12.2", "LeCun, Bottou, Orr and Müller 1998, Efficient BackProp, section 4.3"),
        ("input", "scale"),
    ),
    Lesson(
        "convolution",
        "Convolution: a small pattern, looked for everywhere",
        (
            "A kernel is a small table of weights. It is laid over a patch of the image; each number is multiplied "
            "by the weight above it, and the products are added. The sum is large where the patch looks like the "
            "kernel, and near zero where it does not. Then the kernel moves on, and the sums form a new image: a "
            "feature map, which says where the pattern was found.",
            "With several channels a kernel is as deep as there are channels: one table for each, and one sum over all "
            "of them, to which the bias is added. A layer has many kernels, and so gives many maps.",
            "The same few weights are used at every place. That is why a convolution needs so few of them, and why a "
            "pattern learned in one corner is recognised in every other. Mathematicians call this operation "
            "cross-correlation; their convolution turns the kernel around first, which changes nothing where the "
            "kernel is learned.",
        ),
        (f"{GOODFELLOW_2016}, section 9.1 and 9.2", f"{LECUN_1998}, section II.A"),
        ("conv", "depthwise"),
    ),
    Lesson(
        "padding",
        "Padding: what to do at the edge",
        (
            "A kernel of 5×5 cannot be centred on the corner of an image, since part of it would lie outside. Without "
            "padding (`valid`) it stays inside, and the map is four rows and columns smaller than the image. With "
            "padding (`same`) zeros are put around the image, so that the map keeps its size.",
            "The zeros are not innocent: near the edge a model sees a frame that no image has, and can tell from "
            "it where the edge is.",
        ),
        (
            f"{DUMOULIN_2016}, section 2",
            "Islam, Jia and Bruce 2020, How much position information do CNNs encode, ICLR",
        ),
        ("pad",),
    ),
    Lesson(
        "stride",
        "Stride: how far each step goes",
        (
            "A kernel need not visit every place. With a stride of two it skips every other row and column, and the "
            "map has half as many of each: a quarter of the numbers, for a quarter of the work.",
            "The output has ⌊(rows + padding − kernel) / stride⌋ + 1 rows.",
        ),
        (f"{DUMOULIN_2016}, section 2.4, relationship 6",),
    ),
    Lesson(
        "pooling",
        "Pooling: fewer numbers, the same news",
        (
            "Pooling replaces each small window by one number: the largest (max-pooling) or the mean. A map of 28×28 "
            "becomes one of 14×14. There is nothing to learn in it.",
            "Max-pooling asks whether a pattern was found anywhere in the window, and forgets where exactly. So a "
            "image that is shifted by a pixel gives nearly the same maps. Pooling over the whole map leaves one "
            "number for each channel.",
        ),
        (f"{GOODFELLOW_2016}, section 9.3", f"{LECUN_1998}, section II.A (subsampling)"),
        ("maxpool", "avgpool", "globalavg", "globalmax"),
    ),
    Lesson(
        "activation",
        "Activation: why it must bend",
        (
            "Sums of sums are sums: two layers of weighted sums, one after the other, do no more than a single one. "
            "An activation bends each number in between, and only that makes depth worth while.",
            "ReLU keeps what is positive and sets the rest to zero. It costs next to nothing, and its slope is one "
            "wherever it lets a number pass, so corrections reach deep layers undiminished. A unit whose input is "
            "negative for every image gives zero always and learns no more: it is called dead. Tanh, which LeNet "
            "used, squeezes every number between −1 and 1.",
        ),
        (
            "Nair and Hinton 2010, Rectified linear units improve restricted Boltzmann machines",
            f"{GOODFELLOW_2016}, 6.3",
        ),
        ("activation",),
    ),
    Lesson(
        "normalisation",
        "Normalization: keep the numbers in a good range",
        (
            "In training, each channel is brought to mean zero and spread one over the images of a batch, and then "
            "to a spread γ and a mean β that are learned. Deep models learn much faster so.",
            "When the model answers there is no batch: it uses the running means and variances kept from training. "
            "The prediction to an image therefore does not depend on the images beside it.",
        ),
        ("Ioffe and Szegedy 2015, Batch normalization, arXiv:1502.03167, algorithms 1 and 2",),
        ("norm", "layernorm"),
    ),
    Lesson(
        "shortcuts",
        "Shortcuts and branches",
        (
            "A shortcut adds what came in to what a block made of it. The block then only has to learn what is to be "
            "changed, and corrections reach the first layers along the shortcut. So a model of fifty layers can be "
            "trained where a plain one of fifty layers gets worse than one of twenty.",
            "Branches look at the same maps with kernels of several sizes, and their maps are laid behind one another: "
            "the next layer chooses.",
        ),
        (f"{HE_2015}, section 3.1", "Szegedy and colleagues 2014, Going deeper with convolutions, arXiv:1409.4842"),
        ("add", "multiply", "subtract", "average", "maximum", "minimum", "concatenate"),
    ),
    Lesson(
        "flattening",
        "Flattening: from maps to a list",
        (
            "A dense layer takes a list of numbers, and maps are a block of rows, columns and channels. Flattening "
            "reads the block row by row, and at each place channel by channel. No number changes; what is lost is that "
            "neighbors were neighbors.",
        ),
        (f"{GOODFELLOW_2016}, section 9.1",),
        ("reshape", "crop"),
    ),
    Lesson(
        "dense",
        "Dense layers: everything counts",
        (
            "Each unit of a dense layer multiplies every number it gets by a weight of its own, adds the products "
            "and a bias, and bends the sum. The last one has a unit for each class. Its sums are called logits: the "
            "larger, the more speaks for the class.",
            "A contribution is a number times its weight. The largest ones say what the sum is made of; they do not "
            "say what would happen if the image were another.",
        ),
        (f"{GOODFELLOW_2016}, section 6.1",),
        ("dense",),
    ),
    Lesson(
        "softmax",
        "Softmax: from logits to probabilities",
        (
            "The exponential of every logit is positive; divided by their sum they add up to one. That is all. What "
            "counts are the differences: ten added to every logit changes nothing, and so the largest is subtracted "
            "first, which keeps the exponentials from overflowing.",
            "The numbers look like probabilities, and are only as good as they were found to be. Models tend to be "
            "too sure. Dividing the logits by a temperature above one makes all predictions less sure without changing "
            "which is first; it is chosen so that, on validation images, answers of 80 % are right in 80 of 100.",
        ),
        (f"{GOODFELLOW_2016}, section 6.2.2.3", "Guo and colleagues 2017, On calibration of modern neural networks"),
        ("softmax",),
    ),
    Lesson(
        "loss",
        "Loss: how wrong is it?",
        (
            "Training needs one number that is small when the prediction is right and certain, and large when it is "
            "wrong "
            "and certain. Cross-entropy is −ln of the probability given to the right class: 0 at certainty, 0.69 at "
            "one half, and 4.6 at one in a hundred.",
            "It is a better guide than accuracy, which does not change at all when a prediction gets a little less "
            "wrong.",
        ),
        (f"{GOODFELLOW_2016}, section 3.13 and 6.2",),
    ),
    Lesson(
        "back-propagation",
        "One step of back-propagation",
        (
            "How should each weight change for the loss to fall? The chain rule answers for all of them in one pass "
            "from the end to the beginning. At the logits it is simplest: the slope of the loss is the probability of "
            "the class, less one where the class is the right one. A weight's slope is that, times the number the "
            "weight multiplies. And what is handed back to the layer before is the slopes, weighted by the weights.",
            "A step then moves every weight a little against its slope. The page takes such a step, in the last layer "
            "only and with this image only, computes the loss anew, and forgets it again.",
        ),
        (RUMELHART_1986, f"{GOODFELLOW_2016}, section 6.5"),
    ),
    Lesson(
        "overfitting",
        "Overfitting: learning by heart",
        (
            "A model with many weights can learn its training images by heart, with their accidents: the loss on "
            "them goes on falling while the loss on other images rises. The gap between the curves is what was "
            "learned by heart, and the epoch with the lowest validation loss, or the best accuracy, is the one to "
            "keep.",
            "What helps, in this order: more images, images changed at random (augmentation), a smaller model or "
            "one that was trained on other images before, dropout and weight decay, and stopping in time.",
        ),
        (f"{GOODFELLOW_2016}, sections 5.2 and 7.8",),
    ),
    Lesson(
        "dropout",
        "Dropout: no unit may rely on another",
        (
            "In training, every number in the layer is set to zero with a given probability, anew for each image, "
            "and the others are enlarged so that their sum stays what it was on average. A unit cannot rely on one "
            "other being there, so what is learned is spread over many.",
            "When the model answers nothing is dropped. Here you may drop all the same, and see how much of the "
            "answer hangs on how little.",
        ),
        ("Srivastava and colleagues 2014, Dropout, Journal of Machine Learning Research 15",),
        ("identity",),
    ),
)


def find_lesson_name(kind: str) -> str:
    """Returns the name of the lesson for a step of this kind; the first where there is none of its own."""
    return next((lesson.name for lesson in LESSONS if kind in lesson.step_kinds), LESSONS[0].name)
