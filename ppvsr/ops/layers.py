"""3x3 convolutions with what stands around them, changes of resolution, and warping by optical flow."""

from __future__ import annotations

import paddle
import paddle.nn as nn
import paddle.nn.functional as F
from paddle import Tensor

from ppvsr.ops import lowering, native

# ---- 3x3 convolutions together with what stands around them: concatenation, activation, addition, pixel shuffle.


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


# ---- Changes of resolution.


class PixelShufflePack(nn.Layer):
    """Upsample by two: a 3x3 convolution to four times the channels, then a pixel shuffle.

    (n, in_channels, h, w) -> (n, out_channels, 2h, 2w).
    """

    keeps_initial_weights = True

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.upsample_conv = nn.Conv2D(in_channels, 4 * out_channels, 3, padding=1)

    def forward(self, x: Tensor, slope: float = 1.0) -> Tensor:
        """Return `x` at twice its size; what is below zero is multiplied by `slope`."""
        return convolve(self.upsample_conv, x, slope=slope, shuffled=True)


def conv_shuffled(conv: nn.Conv2D, x: Tensor, beside: Tensor | None = None) -> Tensor:
    """Apply a 3x3 convolution, of stride 1 or 2, to `x` (n, 4c, h, w) after a pixel shuffle to (n, c, 2h, 2w).

    beside: channels (n, k, 2h, 2w) that stand before those of `x`.
    """
    if lowering.current() is not None:
        return lowering.conv_shuffled(conv, x, beside)
    large = F.pixel_shuffle(x, 2)
    return convolve(conv, large) if beside is None else convolve(conv, beside, large)


def upsample(x: Tensor, scale: int) -> Tensor:
    """Enlarge (n, c, h, w) bilinearly to (n, c, scale * h, scale * w), pixels being areas (half-pixel centres)."""
    if lowering.current() is not None:
        return lowering.resize(x, scale * x.shape[2], scale * x.shape[3])
    return F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)


def double(x: Tensor) -> Tensor:
    """Enlarge (n, c, h, w) bilinearly to (n, c, 2h, 2w), pixels being points: corners stay corners."""
    if lowering.current() is not None:
        return lowering.resize(x, 2 * x.shape[2], 2 * x.shape[3], align_corners=True)
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


def resize(x: Tensor, h: int, w: int) -> Tensor:
    """Bring (n, c, *, *) bilinearly to (n, c, h, w), pixels being areas; returns `x` itself if it has that size."""
    if paddle.in_dynamic_mode() and list(x.shape[2:]) == [h, w]:  # sizes of an exported program come later
        return x
    if lowering.current() is not None:
        return lowering.resize(x, h, w)
    return F.interpolate(x, size=(h, w), mode="bilinear", align_corners=False)


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Extend (n, c, h, w) by reflection at the bottom and at the right until both sides are multiples of `multiple`."""
    bottom, right = (-side % multiple for side in x.shape[2:])
    return F.pad(x, [0, right, 0, bottom], mode="reflect") if bottom or right else x


# ---- Warping by optical flow.


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
