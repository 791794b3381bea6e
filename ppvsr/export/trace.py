"""Networks into programs of Paddle: a whole clip at once, or step by step."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import paddle
from paddle import Tensor
from paddle.jit.dy2static.convert_call_func import convert_call
from paddle.nn import Layer

from ppvsr.export.sampling import sampled
from ppvsr.export.shape import ClipShape
from ppvsr.ops.deform import use_native
from ppvsr.ops.lowering import Lowering, lowered
from ppvsr.runtime import predictor
from ppvsr.runtime.steps import Example, replaced

LOWERING = Lowering(native=False)  # ppvsr's own operator would be needed wherever the program runs


@contextmanager
def for_export(net: Layer, *, auxiliary: bool = False, portable: bool = False) -> Iterator[None]:
    """Have a network evaluate as its program will: on Paddle's operators.

    auxiliary: MSVSR's auxiliary pictures come with the answer. It computes them while training, which for the network
    itself, not for its layers, means nothing else.  portable: deformable convolutions by sampling.
    """
    use_native(net, on=False)
    net.eval()
    net.training = auxiliary
    try:
        with sampled(net) if portable else nullcontext():
            yield
    finally:
        net.eval()


def trace_clip(net: Layer, shape: ClipShape, path: Path) -> None:
    """Write the program of a whole clip to `path`.json and `path`.pdiparams; inside of `for_export`."""
    whole = _Whole(net, free=shape.free)
    kinds = [paddle.static.InputSpec(shape.sizes(), "float32", "lq")]
    with lowered(LOWERING), _quietly():
        with paddle.no_grad():
            net(paddle.zeros(shape.examples(net)[0]))  # makes what is computed from weights once
        program = paddle.jit.to_static(whole, input_spec=kinds, full_graph=True, backend=None)
        paddle.jit.save(program, str(path))


def trace_step(net: Layer, example: Example, path: Path) -> None:
    """Write the program of a step, for any batch, height and width; inside of `for_export`."""
    with _quietly():
        predictor.export(net, example, path, native=False)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep Paddle's warnings to itself: they are about its own code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class _Whole(Layer):
    """A network as Paddle wants it: with the outputs as a list."""

    def __init__(self, net: Layer, *, free: bool) -> None:
        super().__init__()
        self.net = net
        self.free = free
        self.training = False

    def forward(self, lq: Tensor) -> list[Tensor]:
        """Run the network."""
        return _run(self.net, lq, self.free)


@paddle.jit.not_to_static
def _run(net: Layer, lq: Tensor, free: bool) -> list[Tensor]:
    """Run the loop over frames in Python, which unrolls it; Paddle's translation of it fails on `zip(strict=True)`.

    Where sizes are free, steps are translated: only then do numbers taken from a shape stay open.
    """
    with replaced(net, _translated) if free else nullcontext():
        return list(net(lq))


def _translated(name: str, step: Callable[..., Any]) -> Callable[..., Any]:
    return convert_call(step)
