"""3x3 convolutions together with what stands around them: concatenation, activation, addition, pixel shuffle."""

from __future__ import annotations

import paddle
import paddle.nn as nn
import paddle.nn.functional as F
from paddle import Tensor

from ppvsr.ops import lowering, native


def convolve(
    conv: nn.Conv2D, *xs: Tensor, slope: float = 1.0, plus: Tensor | None = None, shuffled: bool = False
) -> Tensor:
    """Return plus + activation(conv(xs joined by channels)), by one operator where that is faster.

    That is in compiled steps, and where `ppvsr.ops.deform.use_native` was told to.

    xs: tensors (n, *, h, w).  slope: what is below zero is multiplied by it, 1 leaves it.
    plus: of the size of the result.  shuffled: with a pixel shuffle in the end, to (2h, 2w).
    """
    if lowering.convolves(conv):
        return lowering.convolve(conv, xs, slope, plus, shuffled=shuffled)
    if getattr(conv, "native", False) and native.applies(*xs, conv.weight, conv.bias):
        x = native.learning_conv3x3(xs, conv.weight, conv.bias, slope=slope, shuffled=shuffled)
        return x if plus is None else plus + x
    x = conv(xs[0] if len(xs) == 1 else paddle.concat(xs, axis=1))
    if slope != 1:
        x = F.leaky_relu(x, slope) if slope else F.relu(x)
    if shuffled:
        x = F.pixel_shuffle(x, 2)
    return x if plus is None else plus + x


def run_chain(layers: nn.Sequential, *xs: Tensor) -> Tensor:
    """Run convolutions, some with a leaky ReLU after them, on `xs`, joined by channels."""
    rest = list(layers)
    while rest:
        conv = rest.pop(0)
        activation = rest.pop(0) if rest and isinstance(rest[0], nn.LeakyReLU) else None
        xs = (convolve(conv, *xs, slope=activation._negative_slope if activation else 1.0),)
    return xs[0]
