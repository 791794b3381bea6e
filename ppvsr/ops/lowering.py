"""What Paddle Inference with oneDNN cannot run, written in what it can.

While a step is exported (`ppvsr.runtime`), resampling goes through this file; everywhere else through Paddle's own
operators. Paddle 3.3 raises on `interpolate` there, and on arithmetic with numbers that come from a shape: sizes are
counted out of tensors instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import paddle
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
    rows, columns = (_weights(_count(x, axis), size, align_corners) for axis, size in ((2, h), (3, w)))
    return paddle.matmul(paddle.matmul(rows, x), columns, transpose_y=True)


def flow_warp(x: Tensor, flow: Tensor, *, border: bool) -> Tensor:
    """Sample `x` (n, c, h, w) bilinearly where `flow` (n, 2, h, w) points; outside are zeros, or the nearest pixels."""
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
