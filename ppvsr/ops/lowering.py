"""What Paddle Inference with oneDNN cannot run, written in what it can.

While a step is exported (`ppvsr.runtime`), resampling goes through this file; everywhere else through Paddle's own
operators. Paddle 3.3 raises on `interpolate` there, and on arithmetic with numbers that come from a shape: sizes are
counted out of tensors instead. `assign` brings back the plain layout of a tensor; given oneDNN's own, what follows
would compute wrong numbers without a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np
import paddle
import paddle.nn as nn
import paddle.nn.functional as F
from paddle import Tensor

from ppvsr.ops import native


@dataclass(frozen=True)
class Lowering:
    """How steps are exported. native: ppvsr's own operator is there, and samples pictures, too."""

    native: bool


_current: ContextVar[Lowering | None] = ContextVar("lowering", default=None)


@contextmanager
def lowered(lowering: Lowering) -> Iterator[None]:
    """Write resampling for Paddle Inference for as long as the context lasts."""
    token = _current.set(lowering)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Lowering | None:
    """Return how to write resampling now; None is Paddle's own operators."""
    return _current.get()


def resize(x: Tensor, h: int | Tensor, w: int | Tensor, *, align_corners: bool = False) -> Tensor:
    """Bring (n, c, *, *) bilinearly to (n, c, h, w), by a product with a matrix on either side."""
    x = paddle.assign(x)
    rows, columns = (_weights(_count(x, axis), size, align_corners) for axis, size in ((2, h), (3, w)))
    return paddle.matmul(paddle.matmul(rows, x), columns, transpose_y=True)


def flow_warp(x: Tensor, flow: Tensor, *, border: bool) -> Tensor:
    """Sample `x` (n, c, h, w) bilinearly where `flow` (n, 2, h, w) points; outside are zeros, or the nearest pixels."""
    x, flow = paddle.assign(x), paddle.assign(flow)
    one = paddle.ones_like(flow[:, :1])
    column, row = paddle.cumsum(one, axis=3), paddle.cumsum(one, axis=2)  # from 1
    w, h = column[:, :, :, -1:], row[:, :, -1:, :]
    how = current()
    if how is None or not how.native:
        grid = [(flow[:, :1] + (column - 0.5)) * (2 / w) - 1, (flow[:, 1:] + (row - 0.5)) * (2 / h) - 1]
        grid = paddle.concat(grid, axis=1).transpose([0, 2, 3, 1])
        return F.grid_sample(x, grid, padding_mode="border" if border else "zeros", align_corners=False)
    across, down = flow[:, :1], flow[:, 1:]
    if border:
        across = paddle.minimum(paddle.clip(across + column, min=1.0), w) - column
        down = paddle.minimum(paddle.clip(down + row, min=1.0), h) - row
    c = x.shape[1]
    itself = paddle.eye(c).reshape([c, c, 1, 1])  # a deformable convolution of one tap that only reads
    return native.deform_conv2d(x, paddle.concat([down, across], axis=1), itself, mask=one)


def conv_shuffled(conv: nn.Conv2D, x: Tensor, beside: Tensor | None) -> Tensor:
    """Convolve before the pixel shuffle instead of after it: fewer pixels of more channels suit oneDNN better.

    The kernel is spread out for that: a tap of the large picture is a pixel of one of the four small ones.
    """
    if beside is not None:
        k = beside.shape[1]
        apart = paddle.eye(4 * k).reshape([4 * k, k, 2, 2])  # a pixel unshuffle; Paddle's own wants to know the size
        x = paddle.concat([F.conv2d(beside, apart, stride=2), x], axis=1)
    out, channels = conv.weight.shape[:2]
    if conv._stride[0] == 2:
        spread = _spread(1)  # the rows -1, 0, 1 of the large picture are -1, 0, 0 of the small ones
        kernel = paddle.matmul(paddle.matmul(spread, conv.weight), spread, transpose_y=True)
        kernel = kernel.reshape([out, channels, 2, 2, 2, 2]).transpose([0, 1, 2, 4, 3, 5])
        return F.conv2d(x, kernel.reshape([out, 4 * channels, 2, 2]), conv.bias, padding=[1, 0, 1, 0])
    spread = _spread(2)
    kernel = paddle.matmul(paddle.matmul(spread, conv.weight), spread, transpose_y=True)
    kernel = kernel.reshape([out, channels, 2, 2, 3, 2, 2, 3]).transpose([0, 2, 5, 1, 3, 6, 4, 7])
    bias = conv.bias.reshape([out, 1]).tile([1, 4]).reshape([4 * out])
    return F.pixel_shuffle(F.conv2d(x, kernel.reshape([4 * out, 4 * channels, 3, 3]), bias, padding=1), 2)


def _spread(phases: int) -> Tensor:
    """Return where the taps -1, 0, 1 in the large picture lie in the small ones: (phase, which, where) by tap, of 0, 1.

    phases: rows of the answer, 1 or 2, that come from one row of the small pictures.
    """
    table = np.zeros((phases, 2, phases + 1, 3), np.float32)
    for phase in range(phases):
        for tap in range(3):
            where, which = divmod(phase + tap - 1, 2)
            table[phase, which, where + 1, tap] = 1
    return paddle.to_tensor(table.reshape(1, 1, -1, 3))


def _count(x: Tensor, axis: int) -> Tensor:
    """Return 0, 1, ... along a side of `x`, as (1, 1, 1, side)."""
    line = x[:1, :1, :, :1].transpose([0, 1, 3, 2]) if axis == 2 else x[:1, :1, :1, :]
    return paddle.cumsum(paddle.ones_like(line), axis=3) - 1


def _weights(source: Tensor, size: int | Tensor, align_corners: bool) -> Tensor:
    """Return how much each of `size` new pixels takes of each old one, (1, 1, size, old size)."""
    target = paddle.cumsum(paddle.ones([1, 1, size, 1]), axis=2) - 1
    last, new_last = source[:, :, :, -1:], target[:, :, -1:, :]
    if align_corners:
        position = target * (last / new_last)
    else:
        position = (target + 0.5) * ((last + 1) / (new_last + 1)) - 0.5
        position = paddle.minimum(paddle.clip(position, min=0.0), last)
    return F.relu(1 - paddle.abs(position - source))
