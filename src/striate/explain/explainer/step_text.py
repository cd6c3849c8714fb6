"""What a step does, in one sentence, and the arithmetic of its size."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from striate.explain.explainer.steps import Step

ACTIVATION_NAMES = {
    "relu": "ReLU",
    "relu6": "ReLU6",
    "leaky_relu": "leaky ReLU",
    "silu": "swish",
    "hard_silu": "hard swish",
    "hard_sigmoid": "hard sigmoid",
    "gelu": "GELU",
    "elu": "ELU",
    "selu": "SELU",
}
"""Activation → what people call it, where not by Keras' name."""


def format_shape(shape: Sequence[int]) -> str:
    """Returns a shape as people write it: `28 × 28 × 6`, or `84` for a vector."""
    return " × ".join(f"{side:,}" for side in shape)


def describe_step(step: Step, steps: Sequence[Step]) -> str:
    """Returns what the step does to what it is given."""
    return STEP_DESCRIBERS[step.kind](step, steps)


def describe_step_sizes(step: Step, steps: Sequence[Step]) -> list[str]:
    """Returns how the number of its weights and the size of its output come about; nothing where there is neither."""
    lines = []
    if step.kind in ("conv", "depthwise", "maxpool", "avgpool") and step.inputs:
        lines.append(_format_rows_formula(step, steps[step.inputs[0]].shape))
    if "kernel" in step.weights:
        lines.append(_format_parameter_formula(step))
    return lines


def _format_rows_formula(step: Step, input_shape: Sequence[int]) -> str:
    rows, window, stride = input_shape[0], step.settings["window"][0], step.settings["strides"][0]
    wide = (window - 1) * step.settings.get("dilation", [1, 1])[0] + 1
    padding = max((step.shape[0] - 1) * stride + wide - rows, 0) if _is_padded(step, rows, wide, stride) else 0
    inside = f"{rows} + {padding} − {wide}" if padding else f"{rows} − {wide}"
    formula = f"⌊({inside}) / {stride}⌋ + 1" if stride > 1 else f"{inside} + 1"
    return f"Rows of the output: {formula} = {step.shape[0]}."


def _is_padded(step: Step, rows: int, window_extent: int, stride: int) -> bool:
    return step.shape[0] != (rows - window_extent) // stride + 1


def _format_parameter_formula(step: Step) -> str:
    kernel, bias = step.weights["kernel"], step.weights.get("bias")
    if step.kind == "dense":
        inside, outside = kernel.shape
        each = f"({inside:,} + 1)" if bias is not None else f"{inside:,}"
    else:
        outside = step.shape[-1]
        deep = kernel.shape[2] if step.kind == "conv" else 1
        one = f"{kernel.shape[0]} · {kernel.shape[1]} · {deep:,}"
        each = f"({one} + 1)" if bias is not None else one
    total = kernel.size + (0 if bias is None else bias.size)
    what = "units" if step.kind == "dense" else "kernels"
    return f"Weights: {outside:,} {what} · {each} = {total:,}."


def _get_activation_name(step: Step) -> str:
    name = str(step.settings["activation"])
    return ACTIVATION_NAMES.get(name, name)


def _format_activation_suffix(step: Step) -> str:
    return "" if step.settings["activation"] == "linear" else f", then {_get_activation_name(step)}"


def _format_window(step: Step) -> str:
    return "×".join(map(str, step.settings["window"]))


def _format_strides(step: Step) -> str:
    down, right = step.settings["strides"]
    if down == right == 1:
        return "in steps of one"
    return f"in steps of {down}" if down == right else f"in steps of {down} down and {right} to the right"


def _describe_conv(step: Step, steps: Sequence[Step]) -> str:
    given = steps[step.inputs[0]].shape
    kernels = (
        f"{step.shape[-1]:,} kernels of {_format_window(step)} over {given[-1] // step.settings['groups']:,} channels"
    )
    kernels = kernels.replace("over 1 channels", "over 1 channel")
    if step.settings["window"] == [1, 1]:
        sums = f"{step.shape[-1]:,} weighted sums of its {given[-1]:,} channels"
        return f"At every position, {sums}{_format_activation_suffix(step)}."
    return f"Slides {kernels} across, {_format_strides(step)}, and sums products{_format_activation_suffix(step)}."


def _describe_dense(step: Step, steps: Sequence[Step]) -> str:
    given = steps[step.inputs[0]].shape[0]
    return f"{step.shape[0]:,} weighted sums of all {given:,} numbers{_format_activation_suffix(step)}."


def _make_merge_describer(verb: str) -> Callable[[Step, Sequence[Step]], str]:
    def describe_merge(step: Step, steps: Sequence[Step]) -> str:
        names = " and ".join(steps[source].name for source in step.inputs)
        return f"{verb} {names}, place by place."

    return describe_merge


def _make_text_describer(text: str) -> Callable[[Step, Sequence[Step]], str]:
    return lambda step, found: text


def _describe_identity(step: Step, steps: Sequence[Step]) -> str:
    rate = step.settings.get("rate")
    if not rate:
        return "Passes on what it is given."
    return f"In training, drops {rate:.0%} of the numbers at random; when the model answers, it passes all on."


STEP_DESCRIBERS: dict[str, Callable[[Step, Sequence[Step]], str]] = {
    "input": lambda step, found: f"The image as the model gets it: {format_shape(step.shape)} numbers from 0 to 255.",
    "scale": _make_text_describer(
        "Multiplies and shifts every number, so that learning begins from numbers of a good size."
    ),
    "conv": _describe_conv,
    "depthwise": lambda step, found: (
        f"Slides one {_format_window(step)} kernel across each channel by itself, "
        f"{_format_strides(step)}{_format_activation_suffix(step)}."
    ),
    "dense": _describe_dense,
    "norm": _make_text_describer("Brings each channel to the mean and spread that training found best."),
    "layernorm": _make_text_describer("Brings the channels of each place to a common mean and spread."),
    "activation": lambda step, found: f"Bends every number by itself: {_get_activation_name(step)}.",
    "maxpool": lambda step, found: (
        f"Keeps the largest number of every {_format_window(step)} window, {_format_strides(step)}."
    ),
    "avgpool": lambda step, found: f"Keeps the mean of every {_format_window(step)} window, {_format_strides(step)}.",
    "globalavg": _make_text_describer(
        "Makes one number of every map: its mean. Where something lies is forgotten, how much is kept."
    ),
    "globalmax": _make_text_describer("Makes one number of every map: its largest."),
    "identity": _describe_identity,
    "reshape": lambda step, found: f"Lays the same numbers out as {format_shape(step.shape)}; nothing is computed.",
    "pad": _make_text_describer("Puts zeros around."),
    "crop": _make_text_describer("Cuts the edges off."),
    "add": _make_merge_describer("Adds"),
    "multiply": _make_merge_describer("Multiplies"),
    "subtract": _make_merge_describer("Subtracts"),
    "average": _make_merge_describer("Averages"),
    "maximum": _make_merge_describer("Takes the larger of"),
    "minimum": _make_merge_describer("Takes the smaller of"),
    "concatenate": lambda step, found: (
        f"Lays the channels of {len(step.inputs)} branches behind one another: {step.shape[-1]:,} in all."
    ),
    "other": lambda step, found: (
        f"A layer that this page cannot compute ({step.layer_class}); Keras' values are shown."
    ),
}
"""Kind of a step → what it does."""
