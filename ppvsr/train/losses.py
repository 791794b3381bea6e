"""Pixel losses: an output against its ground truth, tensors of one shape, as a scalar tensor.

They compute in float32 also where automatic mixed precision is on: eps is nothing in float16, and the gradient of the
root would be infinite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import paddle
from paddle import Tensor

Reduction = Literal["mean", "sum"]
TINY = 1e-8  # a mean square from which growth begins to count
LUMA = (0.299, 0.587, 0.114)  # of red, green and blue (BT.601)
REDUCTIONS = {"mean": paddle.mean, "sum": paddle.sum}


def state_growth(states: Sequence[Tensor]) -> Tensor:
    """Return by how much the states (b, c, h, w) of a branch grow from the first to the last, as a scalar, float32.

    That is the logarithm of the ratio of their root mean squares, 0 where they shrink, averaged over the batch.
    """
    with paddle.amp.auto_cast(enable=False):
        first, last = (each.astype("float32").square().mean([1, 2, 3]) for each in (states[0], states[-1]))
        return paddle.nn.functional.relu(((last + TINY).log() - (first + TINY).log()) / 2).mean()


@dataclass(frozen=True)
class CharbonnierLoss:
    """sqrt(d^2 + eps) of the differences d, summed or averaged: L1 with a smooth bottom.

    'sum' is the default because it is PaddleGAN's, and YAML files that leave `reduction` out (its EDVR configs do)
    must mean the same here. All configs of the recurrent networks say `mean`; so should yours, since a sum grows with
    batch, length and crop, and the learning rate would have to follow.
    """

    eps: float = 1e-12
    reduction: Reduction = "sum"

    def __post_init__(self) -> None:
        _check_reduction(self.reduction)
        _check_positive("eps", self.eps)

    def __call__(self, output: Tensor, gt: Tensor) -> Tensor:
        """Return the loss, float32. Raises ValueError for tensors of different shapes."""
        with paddle.amp.auto_cast(enable=False):
            return REDUCTIONS[self.reduction](paddle.sqrt(_difference(output, gt) ** 2 + self.eps))


@dataclass(frozen=True)
class L1Loss:
    """|d| of the differences d, averaged or summed, times `loss_weight`."""

    reduction: Reduction = "mean"
    loss_weight: float = 1.0

    def __post_init__(self) -> None:
        _check_reduction(self.reduction)
        _check_positive("loss_weight", self.loss_weight)

    def __call__(self, output: Tensor, gt: Tensor) -> Tensor:
        """Return the loss, float32. Raises ValueError for tensors of different shapes."""
        with paddle.amp.auto_cast(enable=False):
            return self.loss_weight * REDUCTIONS[self.reduction](_difference(output, gt).abs())


@dataclass(frozen=True)
class MSELoss:
    """d^2 of the differences d, averaged or summed, times `loss_weight`."""

    reduction: Reduction = "mean"
    loss_weight: float = 1.0

    def __post_init__(self) -> None:
        _check_reduction(self.reduction)
        _check_positive("loss_weight", self.loss_weight)

    def __call__(self, output: Tensor, gt: Tensor) -> Tensor:
        """Return the loss, float32. Raises ValueError for tensors of different shapes."""
        with paddle.amp.auto_cast(enable=False):
            return self.loss_weight * REDUCTIONS[self.reduction](_difference(output, gt) ** 2)


@dataclass(frozen=True)
class RootMeanSquareLoss:
    """The root of every clip's mean of d^2, averaged over the clips (b, t, 3, h, w) of a batch.

    Within a clip it asks for what PSNR measures, and clips full of noise, where little can be won, do not outweigh the
    others as they would in MSELoss.
    luma: share of the squares that is taken on BT.601 luma, which films are measured on; the rest is taken on RGB.
    eps: of the mean, so that the gradient stays finite.
    """

    luma: float = 0.7
    eps: float = 1e-6

    def __post_init__(self) -> None:
        _check_positive("eps", self.eps)
        if not 0 <= self.luma <= 1:
            raise ValueError(f"luma: expected a share in 0..1, got {self.luma!r}")

    def __call__(self, output: Tensor, gt: Tensor) -> Tensor:
        """Return the loss, float32. Raises ValueError for tensors of different shapes."""
        with paddle.amp.auto_cast(enable=False):
            d = _difference(output, gt)
            gray = (d * paddle.to_tensor(LUMA).reshape([3, 1, 1])).sum(-3)
            squares = self.luma * (gray**2).flatten(1).mean(1) + (1 - self.luma) * (d**2).flatten(1).mean(1)
            return paddle.sqrt(squares + self.eps).mean()


def _difference(output: Tensor, gt: Tensor) -> Tensor:
    if output.shape != gt.shape:  # broadcasting would hide it
        raise ValueError(f"the output is {tuple(output.shape)}, its ground truth {tuple(gt.shape)}; is `scale` right?")
    return output.astype("float32") - gt.astype("float32")


def _check_reduction(reduction: str) -> None:
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction: expected 'mean' or 'sum', got {reduction!r}")


def _check_positive(option: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise ValueError(f"{option}: expected a number above 0, got {value!r}")
