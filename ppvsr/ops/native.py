"""ppvsr's own operators for the CPU (ppvsr/ops/native), compiled at first use."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import numpy as np
import paddle
import paddle.nn as nn
from paddle import Tensor
from paddle.vision.ops import deform_conv2d as paddle_deform_conv2d

from ppvsr.ops.build import BuildError, library

# ---- Which tensors of a program that is being made surely have the plain layout.
# ppvsr's own operators read and write the plain layout. What Paddle Inference computes by oneDNN may have another,
# which only `paddle.assign` brings back, by a copy. What comes from an own operator or from outside needs none.

_plain: ContextVar[dict[int, Tensor] | None] = ContextVar("plain", default=None)


@contextmanager
def remembered() -> Iterator[None]:
    """Remember what `known_plain` is told for as long as the context lasts."""
    token = _plain.set({})
    try:
        yield
    finally:
        _plain.reset(token)


def known_plain(x: Tensor) -> Tensor:
    """Return `x`, which has the plain layout."""
    if (known := _plain.get()) is not None:
        known[id(x)] = x  # kept, so that nothing else gets its number
    return x


def plain(x: Tensor) -> Tensor:
    """Return `x` for an own operator: in a program, in the plain layout."""
    known = _plain.get()
    if paddle.in_dynamic_mode() or (known is not None and id(x) in known):
        return x
    return paddle.assign(x)


# ---- ppvsr's own operators for the CPU (ppvsr/ops/native), compiled at first use.
# Deformable convolution is within 1e-5 of Paddle's, gradients included, and many times as fast (benchmarks/deform.py).
# Where the operator cannot be had or does not apply (CUDA, other types than float32), Paddle's own does the work. The
# 3x3 convolution has two forms: one for compiled steps, and one that takes weights as they are and has a gradient.
# Results do not depend on the number of threads.

SOURCES = Path(__file__).parent / "native"
DEFORM_CONV, OFFSETS = "ppvsr_deform_conv2d", "ppvsr_offsets"
CONV, LEARNING_CONV = "ppvsr_conv3x3", "ppvsr_conv3x3_learning"
# Weights become as large as a tile before they are multiplied with it (winograd.cc): G of arXiv 1509.09308.
GROWTH = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)


@functools.cache
def load() -> str | None:
    """Compile the operators unless that was done before (some seconds, once per machine) and make them known to Paddle.

    Programs that were saved with them need this, too, before they are loaded.
    Returns None, or in one line why there are none, what is lost, and what helps.
    """
    try:
        path = library(SOURCES)
        from paddle.utils.cpp_extension import load_op_meta_info_and_register_op

        load_op_meta_info_and_register_op(str(path))
    except BuildError as error:
        reason = str(error)
    except Exception as error:  # whatever Paddle makes of a damaged library
        reason = f"{path} cannot be loaded: {str(error).strip().splitlines()[-1]}; remove {path.parent}"
    else:
        return None
    return f"Paddle's own operators do the work, several times slower on the CPU: {reason}"


def deform_conv2d(
    x: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    deformable_groups: int = 1,
    groups: int = 1,
    mask: Tensor | None = None,
) -> Tensor:
    """Do what paddle.vision.ops.deform_conv2d does, with the same arguments.

    x: (n, c, h, w);  offset: (n, 2 * deformable_groups * kh * kw, oh, ow), y first;  weight: (co, c / groups, kh, kw);
    mask: (n, deformable_groups * kh * kw, oh, ow).  Returns (n, co, oh, ow).
    Warns once when the operator cannot be had.
    """
    geometry = stride, padding, dilation, deformable_groups, groups
    if not applies(x, offset, weight, bias, mask):
        return paddle_deform_conv2d(x, offset, weight, bias, *geometry, mask)
    if bias is None:
        bias = paddle.zeros(weight.shape[:1])
    if mask is None:
        mask = paddle.ones_like(offset[:, ::2])
    pairs = [[each, each] if isinstance(each, int) else list(each) for each in (stride, padding, dilation)]
    inputs = plain(x), plain(offset), weight, bias, plain(mask)
    return known_plain(paddle._C_ops._run_custom_op(DEFORM_CONV, *inputs, *pairs, deformable_groups, groups)[0])


def transform_weight(weight: Tensor) -> Tensor:
    """Bring the weight (co, c, 3, 3) of a convolution into the form that `conv3x3` wants, (36, c, co)."""
    grown = np.einsum("ik,jl,ockl->ijco", GROWTH, GROWTH, weight.numpy().astype(np.float64))
    grown = grown.reshape(36, *grown.shape[2:]).astype(np.float32)
    given = paddle.nn.initializer.Assign(grown)
    return paddle.create_parameter(list(grown.shape), "float32", default_initializer=given)


def conv3x3(
    xs: Sequence[Tensor],
    weight: Tensor,
    bias: Tensor,
    *,
    slope: float = 1.0,
    plus: Tensor | None = None,
    shuffled: bool = False,
) -> Tensor:
    """Convolve, activate, add or shuffle pixels, by one operator, which `load` has made known.

    xs: (n, *, h, w), joined by channels; zeros lie around them.  weight: of `transform_weight`.  bias: (co).
    slope: what is below zero is multiplied by it.  plus: (n, co, h, w), added in the end.
    Returns (n, co, h, w), within 1e-5 of Paddle's for numbers around 1, or when `shuffled` (n, co / 4, 2h, 2w).
    """
    added = None if plus is None else plain(plus)
    inputs = [plain(x) for x in xs], weight, bias, added
    return known_plain(paddle._C_ops._run_custom_op(CONV, *inputs, slope, shuffled)[0])


def knows(conv: nn.Conv2D) -> bool:
    """Return whether the own operators can do this convolution."""
    shape = conv._kernel_size, conv._stride, conv._updated_padding, conv._dilation, conv._groups
    return shape == ([3, 3], [1, 1], [1, 1], [1, 1], 1) and conv.bias is not None


def learning_conv3x3(
    xs: Sequence[Tensor], weight: Tensor, bias: Tensor, *, slope: float = 1.0, shuffled: bool = False
) -> Tensor:
    """Do what `conv3x3` does without `plus`, with gradients; where `applies` says yes.

    weight: as it is, (co, c, 3, 3).  The gradients are within 2e-5 of Paddle's, relative to the largest; slope 0 and
    above: the activation is undone by the sign of what came out.
    """
    return paddle._C_ops._run_custom_op(LEARNING_CONV, list(xs), weight, bias, slope, shuffled)[0]


def offsets(
    answer: Tensor, flows: Sequence[Tensor] = (), start: tuple[Tensor, Tensor] | None = None, *, reach: float
) -> tuple[Tensor, Tensor]:
    """Make offsets and masks of what a network answered, by one operator, which `load` has made known.

    answer: (n, 3k, h, w).  Offsets are reach * tanh(the first 2k channels) + where they start: at `flows` (n, 2, h, w),
    x first, each for an equal part of them, or at the offset of `start`.  Masks are sigmoid(the last k channels), with
    `start` averaged with its mask.
    Returns the offset (n, 2k, h, w), y first, and the mask (n, k, h, w).
    """
    starts, mask = (flows, None) if start is None else ([start[0]], plain(start[1]))
    inputs = plain(answer), [plain(each) for each in starts], mask
    offset, mask = paddle._C_ops._run_custom_op(OFFSETS, *inputs, reach)
    return known_plain(offset), known_plain(mask)


def applies(*tensors: Tensor | None) -> bool:
    """Return whether the own operators are to work on these: float32 on the CPU. Warns once when they cannot be had."""
    if paddle.get_device() != "cpu" or any(each is not None and each.dtype != paddle.float32 for each in tensors):
        return False
    reason = load()
    if reason:
        warnings.warn(reason, RuntimeWarning, stacklevel=3)
    return reason is None
