"""Data parallelism on PyTorch, by its DistributedDataParallel around the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch.nn.parallel import DistributedDataParallel

from striate.data.batches import compute_shard_slice
from striate.system.backend import keras
from striate.training.distributed.strategy import LogitsFunction
from striate.training.performance.batch_norm import iter_leaf_layers


class TorchStrategy:
    """One of several PyTorch processes, whose process group is there already. See parallel.Parallel.

    Args:
        threads: of the processor, for this process.
    """

    def __init__(self, threads: int = 1) -> None:
        torch.set_num_threads(threads)
        self.rank, self.world_size = dist.get_rank(), dist.get_world_size()

    def wrap_model(self, model: Any, batch_size: int) -> Any:
        """Returns a model that is the model, its gradients averaged over all processes, and its statistics and masks
        those of the whole batch.
        """
        for layer in iter_leaf_layers(model):
            if type(layer) is keras.layers.BatchNormalization:
                layer._moments = _build_global_moments(layer, self.world_size)
            elif type(layer) is keras.layers.Dropout:
                layer.call = _build_global_dropout(layer, self.rank, self.world_size)
        return DistributedModel(model, self.world_size)

    def get_logits_function(self, model: Any) -> LogitsFunction:
        """See Parallel."""

        def compute_logits(pixels: NDArray[Any]) -> NDArray[Any]:
            with torch.no_grad():
                found: NDArray[Any] = keras.ops.convert_to_numpy(model(pixels, training=False))
                return found

        return compute_logits

    def all_gather(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """See Parallel."""
        mine = torch.as_tensor(values, device=_get_device())
        every = [torch.empty_like(mine) for _ in range(self.world_size)]
        dist.all_gather(every, mine)
        found: NDArray[np.float64] = torch.stack(every).cpu().numpy()
        return found


class DistributedModel(keras.Model):  # type: ignore[misc]
    """The model as all processes train it.

    Args:
        local_model: built.
        world_size: how many processes there are.
    """

    def __init__(self, local_model: Any, world_size: int) -> None:
        super().__init__(name="together")
        self.local_model, self.world_size = local_model, world_size
        on = [_get_device()] if torch.cuda.is_available() else None
        wrapped = DistributedDataParallel(local_model, device_ids=on)
        self.__dict__["wrapped"] = wrapped  # neither Keras nor PyTorch is to list its weights a second time
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Returns the logits; while it learns, through what averages the gradients."""
        return (self.__dict__["wrapped"] if training else self.local_model)(inputs, training=training)

    def train_step(self, data: Any) -> Any:
        """Makes a step; to the running sums is added what every process would add."""
        sums = self.metrics_variables
        before = [variable.value.clone() for variable in sums]
        super().train_step(data)
        added = [variable.value - old for variable, old in zip(sums, before, strict=True)]
        flat = torch.cat([one.detach().reshape(-1) for one in added])
        dist.all_reduce(flat)
        parts = torch.split(flat, [one.numel() for one in added])
        for variable, old, part in zip(sums, before, parts, strict=True):
            variable.assign(old + part.reshape(old.shape))
        return self.get_metrics_result()


class _AllReduceSum(torch.autograd.Function):  # type: ignore[misc]
    """The sum over all processes, through which gradients pass: each process' part has a share in every one's loss."""

    @staticmethod
    def forward(context: Any, tensor: Any) -> Any:
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, gradient: Any) -> Any:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total


def _build_global_moments(layer: Any, world_size: int) -> Callable[..., Any]:
    """Returns what takes the place of the layer's `_moments`: mean and variance of the batch of all processes."""

    def compute_moments(inputs: Any, mask: Any = None) -> Any:
        if keras.ops.is_tensor(inputs) and inputs.device.type == "meta":  # while Keras asks for shapes
            return keras.ops.moments(inputs, axes=layer._reduction_axes)
        axes = tuple(layer._reduction_axes)
        mean = _AllReduceSum.apply(inputs.mean(dim=axes)) / world_size
        shape = [inputs.shape[at] if at not in axes else 1 for at in range(inputs.ndim)]
        variance = _AllReduceSum.apply(((inputs - mean.reshape(shape)) ** 2).mean(dim=axes)) / world_size
        return mean, variance

    return compute_moments


def _build_global_dropout(layer: Any, rank: int, world_size: int) -> Callable[..., Any]:
    """Returns what takes the place of the layer's `call`: the rows of this process, under the mask of the batch."""

    def call(inputs: Any, training: bool | None = False) -> Any:
        if not training or not layer.rate or inputs.device.type == "meta":
            return inputs
        whole = torch.ones((inputs.shape[0] * world_size, *inputs.shape[1:]), dtype=inputs.dtype, device=inputs.device)
        mask = keras.random.dropout(whole, layer.rate, noise_shape=layer.noise_shape, seed=layer.seed_generator)
        return inputs * mask[compute_shard_slice(len(whole), rank, world_size)]

    return call


def _get_device() -> Any:
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")
