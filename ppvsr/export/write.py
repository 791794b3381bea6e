"""Deformable convolution written as bilinear sampling, for runtimes that know GridSample but no DeformConv."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import paddle
import paddle.nn.functional as F
from paddle import Tensor
from paddle.nn import Layer

from ppvsr.ops.deform import TAPS, DeformConv2D


@contextmanager
def sampled(net: Layer) -> Iterator[None]:
    """Have the deformable convolutions of a network sample tap by tap for as long as the context lasts."""
    layers = [layer for layer in net.sublayers(include_self=True) if isinstance(layer, DeformConv2D)]
    for layer in layers:
        layer.forward = partial(sample_and_convolve, layer)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def sample_and_convolve(layer: DeformConv2D, x: Tensor, offset: Tensor, mask: Tensor) -> Tensor:
    """Do what `layer(x, offset, mask)` does: nine sampled pictures, then one convolution of 1x1.

    x: (n, c, h, w);  offset: (n, 18 * groups, h, w);  mask: (n, 9 * groups, h, w). The sides need not be known: groups
    become pictures by shapes that keep the last two sides (0) and count only the first (-1).
    """
    c, part = x.shape[1], x.shape[1] // layer.groups
    pictures = x.reshape([-1, part, 0, 0])  # (n * groups, c / groups, h, w)
    one = paddle.ones_like(pictures[:, :1])
    column, row = paddle.cumsum(one, axis=3), paddle.cumsum(one, axis=2)  # from 1
    w, h = column[:, :, :, -1:], row[:, :, -1:, :]
    taps = []
    for tap in range(TAPS):
        down, across = (offset[:, 2 * tap + axis :: 2 * TAPS].reshape([-1, 1, 0, 0]) for axis in (0, 1))
        right = (across + (column + (tap % 3 - 1.5))) * (2 / w) - 1
        below = (down + (row + (tap // 3 - 1.5))) * (2 / h) - 1
        grid = paddle.concat([right, below], axis=1).transpose([0, 2, 3, 1])
        read = F.grid_sample(pictures, grid, padding_mode="zeros", align_corners=False)
        taps.append((read * mask[:, tap::TAPS].reshape([-1, 1, 0, 0])).reshape([-1, c, 0, 0]))
    kernel = layer.weight.transpose([0, 2, 3, 1]).reshape([layer.weight.shape[0], TAPS * c, 1, 1])
    return F.conv2d(paddle.concat(taps, axis=1), kernel, layer.bias)
