"""Pixel losses: an output against its ground truth, tensors of one shape and any rank, as a scalar tensor.

They compute in float32 also where automatic mixed precision is on: eps is nothing in float16, and the gradient of the
root would be infinite.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import paddle
from paddle import Tensor

Reduction = Literal["mean", "sum"]
REDUCTIONS = {"mean": paddle.mean, "sum": paddle.sum}


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
