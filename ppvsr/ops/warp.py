"""Warping by optical flow."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor

from ppvsr.ops import lowering


def flow_warp(x: Tensor, flow: Tensor, *, border: bool = False) -> Tensor:
    """Sample `x` bilinearly where `flow` points.

    x: (n, c, h, w);  flow: (n, 2, h, w), in pixels, x first.  Returns (n, c, h, w) in the type of `x`.
    Outside `x` lie zeros or, with `border`, its nearest pixels.

    Raises ValueError when the sizes of `x` and `flow` differ.
    """
    if paddle.in_dynamic_mode() and x.shape[2:] != flow.shape[2:]:  # sizes of an exported program come later
        raise ValueError(f"a flow {tuple(flow.shape)} cannot warp a tensor {tuple(x.shape)}: sizes differ")
    if lowering.current() is not None:
        return lowering.flow_warp(x, flow, border=border)
    with paddle.amp.auto_cast(enable=False):  # half-precision coordinates would be off by up to half a pixel
        grid = _sampling_grid(flow.astype("float32"))  # (n, h, w, 2)
        source = x.astype("float32")
        if source.stop_gradient and not grid.stop_gradient:
            # Paddle 3.3 crashes in the CPU backward of grid_sample when only the grid needs a gradient.
            source = source.detach()
            source.stop_gradient = False
        padding = "border" if border else "zeros"
        return F.grid_sample(source, grid, padding_mode=padding, align_corners=False).astype(x.dtype)


def _sampling_grid(flow: Tensor) -> Tensor:
    """Turn (n, 2, h, w) displacements into the (n, h, w, 2) positions of grid_sample, -1 to 1 across a picture."""
    h, w = flow.shape[2:]
    x = (flow[:, 0] + (paddle.arange(w, dtype="float32") + 0.5)) * (2 / w) - 1
    y = (flow[:, 1] + (paddle.arange(h, dtype="float32") + 0.5).unsqueeze(1)) * (2 / h) - 1
    return paddle.stack([x, y], axis=3)
