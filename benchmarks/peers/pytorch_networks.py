"""Four of the models written as a PyTorch user would, and a training loop around them: channels last, no data loader
(all images are one tensor), in float32 or under bfloat16 autocast, whichever turns out faster.
"""

from __future__ import annotations

import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


def cnn_small() -> nn.Module:
    """Returns the digits tutorial's model, for 28×28 grayscale images and ten classes."""
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.3)),
        *(nn.Linear(12 * 12 * 32, 128), nn.ReLU(), nn.Linear(128, 10)),
    )


def cnn() -> nn.Module:
    """Returns the two convolutions of PyTorch's own basic MNIST example."""
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(12 * 12 * 64, 128), nn.ReLU(), nn.Linear(128, 10)),
    )


def lenet() -> nn.Module:
    """Returns LeNet-5, padded to the paper's 32 pixels."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(16, 120, 5), nn.Tanh(), nn.Flatten(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
    )


class Block(nn.Module):  # type: ignore[misc]
    """Two 3×3 convolutions and a shortcut without weights."""

    def __init__(self, before: int, filters: int) -> None:
        super().__init__()
        self.more = filters - before
        self.stride = 2 if self.more else 1
        self.conv1 = nn.Conv2d(before, filters, 3, self.stride, 1, bias=False)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(filters), nn.BatchNorm2d(filters)

    def forward(self, x: Any) -> Any:
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        shortcut = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more)) if self.more else x
        return F.relu(y + shortcut)


def resnet20() -> nn.Module:
    """Returns the CIFAR ResNet with option A, for grayscale images."""
    widths = [16] * 3 + [32] * 3 + [64] * 3
    blocks = [Block(before, filters) for before, filters in zip([16, *widths], widths, strict=False)]
    stem = (nn.Conv2d(1, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


NETWORKS = {"cnn-small": cnn_small, "cnn": cnn, "lenet": lenet, "resnet20": resnet20}


def images_per_second(name: str, pixels: Any, labels: Any, batch: int, *, half: bool) -> float:
    """Returns the speed of the second of two epochs over (n, 28, 28, 1) uint8 images and their (n,) labels. Where
    there is a GPU, all is done there, the images lie there from the beginning, and float32 is TF32.
    """
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_float32_matmul_precision("high")
    model = NETWORKS[name]().to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters())
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(device)
    y = torch.from_numpy(labels).long().to(device)
    steps, seconds = len(x) // batch, 0.0
    for _ in range(2):
        order = torch.randperm(len(x), device=device)
        began = time.perf_counter()
        for step in range(steps):
            chosen = order[step * batch : (step + 1) * batch]
            images = (x[chosen].float() / 255).contiguous(memory_format=torch.channels_last)
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device, torch.bfloat16, enabled=half):
                loss = F.cross_entropy(model(images).float(), y[chosen])
            loss.backward()
            optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - began
    assert torch.isfinite(loss)  # noqa: S101
    return steps * batch / seconds
