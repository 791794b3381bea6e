"""The per-frame steps of a network: which there are, how it calls them, and others in their place.

A network names its steps in `steps`: methods from tensors to one tensor or a tuple, with dots for those of its layers
("spynet.both_flows"). Arguments that are words (the branch) come first; there is one program for each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import paddle
from paddle import Tensor
from paddle.nn import Layer

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
