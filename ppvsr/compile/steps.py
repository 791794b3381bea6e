"""The per-frame steps of a network: recorded, exported one by one, run by Paddle Inference, put in their place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paddle
from paddle import Tensor
from paddle.nn import Layer

from ppvsr.ops.lowering import Lowering, lowered
from ppvsr.ops.native import known_plain

# ---- The per-frame steps of a network: which there are, how it calls them, and others in their place.
# A network names its steps in `steps`: methods from tensors to one tensor or a tuple, with dots for those of its layers
# ("spynet.both_flows"). Arguments that are words (the branch) come first; there is one program for each of them.

Key = tuple[str, ...]  # name of a step, then its words
Run = Callable[[list[Tensor]], list[Tensor]]


@dataclass(frozen=True)
class Example:
    """A call `step(*words, *inputs)` that a network made, and its answer. several: whether that is a tuple."""

    step: Callable[..., Any]
    words: tuple[str, ...]
    inputs: tuple[Tensor, ...]
    answer: tuple[Tensor, ...]
    several: bool


@paddle.no_grad()
def record(net: Layer, clips: Iterable[Tensor]) -> tuple[list[Tensor], dict[Key, Example]]:
    """Run a network over clips; return its answers, and an example of every call of a step."""
    examples: dict[Key, Example] = {}

    def recording(name: str, own: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            words, tensors = _split(arguments)
            key, answer = (name, *words), own(*arguments)
            if key not in examples:
                several = isinstance(answer, tuple)
                examples[key] = Example(own, words, tensors, answer if several else (answer,), several)
            return answer

        return call

    with replaced(net, recording):
        answers = [net(clip)[-1] for clip in clips]
    return answers, examples


def replace_steps(net: Layer, programs: Mapping[Key, tuple[Run, bool]]) -> None:
    """Let a network run programs where there are any for a call; the rest stays as it is."""

    def choosing(name: str, own: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            words, tensors = _split(arguments)
            key = (name, *words)
            if key not in programs or net.training:
                return own(*arguments)
            run, several = programs[key]
            answer = run(list(tensors))
            return tuple(answer) if several else answer[0]

        return call

    _replace(net, choosing)


def restore_steps(net: Layer) -> None:
    """Give a network its own steps back."""
    for layer, method in places(net):
        vars(layer).pop(method, None)


@contextmanager
def replaced(net: Layer, replacement: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    """Have every step go through what `replacement(name, step)` returns, for as long as the context lasts."""
    _replace(net, replacement)
    try:
        yield
    finally:
        restore_steps(net)


def _replace(net: Layer, replacement: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> None:
    restore_steps(net)
    for name, (layer, method) in zip(net.steps, places(net), strict=True):
        vars(layer)[method] = replacement(name, getattr(layer, method))


def places(net: Layer) -> Iterator[tuple[Layer, str]]:
    """Yield the layer and the method of every step."""
    for name in net.steps:
        *path, method = name.split(".")
        layer = net
        for part in path:
            layer = getattr(layer, part)
        yield layer, method


def _split(arguments: tuple[Any, ...]) -> tuple[tuple[str, ...], tuple[Tensor, ...]]:
    count = sum(isinstance(argument, str) for argument in arguments)
    return arguments[:count], arguments[count:]


# ---- One exported step: how it is written to a file, and how Paddle Inference runs it.

# Paddle 3.3: this one ends in a segmentation fault where a leaky ReLU follows a convolution.
HARMFUL_PASSES = ("conv_activation_onednn_fuse_pass",)


class _Step(Layer):
    """A step as a layer, which is what can be exported; the network is there for its parameters."""

    def __init__(self, net: Layer, example: Example) -> None:
        super().__init__()
        self.net = net
        self.step = example.step
        self.words = example.words

    def forward(self, inputs: list[Tensor]) -> Any:
        """Run the step."""
        return self.step(*self.words, *(known_plain(x) for x in inputs))


def export(net: Layer, example: Example, path: Path, *, native: bool) -> None:
    """Write a step for pictures of any size, and batches of any, to `path`.json and `path`.pdiparams."""
    layer = _Step(net, example)
    layer.eval()
    kinds = [paddle.static.InputSpec([None, *x.shape[1:-2], None, None], x.dtype) for x in example.inputs]
    with lowered(Lowering(native=native)):
        with paddle.no_grad():
            layer(list(example.inputs))  # makes what is computed from weights once
        program = paddle.jit.to_static(layer, input_spec=[kinds], full_graph=True, backend=None)
        paddle.jit.save(program, str(path))


def load(path: Path, *, threads: int) -> Run:
    """Make a step ready to run on the CPU. Only what was proved in another process may be loaded in the user's."""
    from paddle import inference

    config = inference.Config(f"{path}.json", f"{path}.pdiparams")
    config.disable_gpu()
    config.disable_glog_info()
    config.enable_mkldnn()
    config.set_cpu_math_library_num_threads(threads)
    for name in HARMFUL_PASSES:
        config.delete_pass(name)
    predictor = inference.create_predictor(config)

    def run(inputs: list[Tensor]) -> list[Tensor]:
        answers = predictor.run([x.contiguous() for x in inputs])  # it does not look at strides
        return [answer.clone() for answer in answers]  # the next run may write into the same memory

    return run
