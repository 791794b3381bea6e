"""Deformable convolution by ppvsr's own operator for the CPU (ppvsr/ops/native), compiled at first use.

Within 1e-5 of Paddle's, gradients included, and many times as fast (benchmarks/deform.py). Results do not depend on
the number of threads. Where the operator cannot be had or does not apply (CUDA, other types than float32), Paddle's
own does the work.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from pathlib import Path

import paddle
from paddle import Tensor
from paddle.vision.ops import deform_conv2d as paddle_deform_conv2d

from ppvsr.ops.native_cache import BuildError, library

SOURCES = Path(__file__).parent / "native"
OPERATOR = "ppvsr_deform_conv2d"


@functools.cache
def load() -> str | None:
    """Compile the operator unless that was done before (a few seconds, once per machine) and make it known to Paddle.

    Programs that were saved with the operator need this, too, before they are loaded.
    Returns None, or in one line why there is no such operator, what is lost, and what helps.
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
    return f"deformable convolutions stay on Paddle's operator, about 15 times slower on the CPU: {reason}"


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
    if not _applies(x, offset, weight, bias, mask):
        return paddle_deform_conv2d(x, offset, weight, bias, *geometry, mask)
    if bias is None:
        bias = paddle.zeros(weight.shape[:1])
    if mask is None:
        mask = paddle.ones_like(offset[:, ::2])
    if not paddle.in_dynamic_mode():
        # oneDNN would hand over its own layout. What has no kernel there brings the plain one back.
        x, offset, mask = paddle.assign(x), paddle.assign(offset), paddle.assign(mask)
    pairs = [[each, each] if isinstance(each, int) else list(each) for each in (stride, padding, dilation)]
    inputs = x, offset, weight, bias, mask
    return paddle._C_ops._run_custom_op(OPERATOR, *inputs, *pairs, deformable_groups, groups)[0]


def _applies(*tensors: Tensor | None) -> bool:
    if paddle.get_device() != "cpu" or any(each is not None and each.dtype != paddle.float32 for each in tensors):
        return False
    reason = load()
    if reason:
        warnings.warn(reason, RuntimeWarning, stacklevel=3)
    return reason is None
