"""What Paddle Inference with oneDNN cannot run, written in what it can.

While a step is exported (`ppvsr.runtime`), resampling and 3x3 convolutions go through this file; everywhere else
through Paddle's own operators. Paddle 3.3 raises on `interpolate` there, and on arithmetic with numbers that come from
a shape: sizes are counted out of tensors instead. `assign` brings back the plain layout of a tensor; given oneDNN's
own, what follows would compute wrong numbers without a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import paddle
import paddle.nn as nn
import paddle.nn.functional as F
from paddle import Tensor

from ppvsr.ops import native
from ppvsr.ops import native as layouts


@dataclass(frozen=True)
class Lowering:
    """How steps are exported. native: ppvsr's own operators are there; one of them samples pictures, too."""

    native: bool


_current: ContextVar[Lowering | None] = ContextVar("lowering", default=None)


@contextmanager
def lowered(lowering: Lowering) -> Iterator[None]:
    """Write for Paddle Inference for as long as the context lasts."""
    token = _current.set(lowering)
    try:
        with layouts.remembered():
            yield
    finally:
        _current.reset(token)


def current() -> Lowering | None:
    """Return how to write now; None is Paddle's own operators."""
    return _current.get()


def resize(x: Tensor, h: int | Tensor, w: int | Tensor, *, align_corners: bool = False) -> Tensor:
    """Bring (n, c, *, *) bilinearly to (n, c, h, w), by a product with a matrix on either side."""
    x = paddle.assign(x)
    rows, columns = (_weights(_count(x, axis), size, align_corners) for axis, size in ((2, h), (3, w)))
    return paddle.matmul(paddle.matmul(rows, x), columns, transpose_y=True)


def flow_warp(x: Tensor, flow: Tensor, *, border: bool) -> Tensor:
    """Sample `x` (n, c, h, w) bilinearly where `flow` (n, 2, h, w) points; outside are zeros, or the nearest pixels."""
    x, flow = layouts.plain(x), layouts.plain(flow)
    one = paddle.ones_like(flow[:, :1])
    column, row = paddle.cumsum(one, axis=3), paddle.cumsum(one, axis=2)  # from 1
    w, h = column[:, :, :, -1:], row[:, :, -1:, :]
    if not by_own_operators():
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


def by_own_operators() -> bool:
    """Return whether ppvsr's own operators are to be used now."""
    how = current()
    return how is not None and how.native


def convolves(conv: nn.Conv2D) -> bool:
    """Return whether `convolve` is to be used for this convolution now."""
    return by_own_operators() and native.knows(conv)


def convolve(conv: nn.Conv2D, xs: Sequence[Tensor], slope: float, plus: Tensor | None, *, shuffled: bool) -> Tensor:
    """Do what `ppvsr.ops.layers.convolve` does by ppvsr's own operator."""
    if not hasattr(conv, "transformed"):  # in the first call, which is outside of a program
        conv.transformed = native.transform_weight(conv.weight)
    return native.conv3x3(xs, conv.transformed, conv.bias, slope=slope, plus=plus, shuffled=shuffled)


def conv_shuffled(conv: nn.Conv2D, x: Tensor, beside: Tensor | None) -> Tensor:
    """Convolve before the pixel shuffle instead of after it: fewer pixels of more channels suit the machine better.

    The convolution for that is made by the first call outside of a program, and kept in `conv`.
    """
    if not hasattr(conv, "before_shuffle"):
        conv.before_shuffle = _before_shuffle(conv)
    small, xs = conv.before_shuffle, [x]
    if beside is not None:
        k = beside.shape[1]
        apart = paddle.eye(4 * k).reshape([4 * k, k, 2, 2])  # a pixel unshuffle; Paddle's own wants to know the size
        xs = [F.conv2d(beside, apart, stride=2), x]
    large = conv._stride[0] == 1
    if convolves(small):
        return convolve(small, xs, 1.0, None, shuffled=large)
    y = small(paddle.concat(xs, axis=1))
    return F.pixel_shuffle(y, 2) if large else y


def _before_shuffle(conv: nn.Conv2D) -> nn.Conv2D:
    """Spread the kernel out: a tap in the large picture is a pixel of one of the four small ones."""
    out, channels = conv.weight.shape[:2]
    if conv._stride[0] == 2:  # the rows -1, 0, 1 of the large picture lie in the rows -1, 0, 0 of the small ones
        kernel = F.pixel_unshuffle(F.pad(conv.weight, [1, 0, 1, 0]), 2)
        if by_own_operators():  # which know 3x3 only, and are faster even so
            small = nn.Conv2D(4 * channels, out, 3, padding=1)
            kernel = F.pad(kernel, [0, 1, 0, 1])
        else:
            small = nn.Conv2D(4 * channels, out, 2, padding=[1, 0, 1, 0])
        small.weight.set_value(kernel)
        small.bias.set_value(conv.bias)
        return small
    small = nn.Conv2D(4 * channels, 4 * out, 3, padding=1)
    pads = [[1 + right, 2 - right, 1 + down, 2 - down] for down in (0, 1) for right in (0, 1)]
    kernels = [F.pixel_unshuffle(F.pad(conv.weight, pad), 2) for pad in pads]
    small.weight.set_value(paddle.stack(kernels, axis=1).flatten(0, 1))
    small.bias.set_value(paddle.stack([conv.bias] * 4, axis=1).flatten())
    return small


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
    # |position - source|; oneDNN subtracts a row from a column slowly, and knows neither maximum nor minimum.
    distance = paddle.maximum(position, source) - paddle.minimum(position, source)
    return F.relu(1 - distance)
