"""The steps of a network as programs: their files, inputs and outputs by name, and examples to prove them with."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import Tensor
from paddle.nn import Layer

from ppvsr.errors import UsageError
from ppvsr.runtime.steps import Example, Key, record

EXTENTS = ((1, 3, 0, 0), (2, 4, 1, 9))  # of the clips: batch, frames, multiples by which the least sides are exceeded
PIXELS = 2  # axes at the end of every shape


@dataclass(frozen=True)
class StepProgram:
    """One step with its words. key: its name and words.  examples: one of each clip."""

    key: Key
    examples: tuple[Example, ...]

    @property
    def file(self) -> str:
        """Name of its files, without ending."""
        return "-".join(self.key).replace(".", "_")

    @property
    def inputs(self) -> list[str]:
        """Names of the tensors that it takes: those of the method's arguments."""
        example = self.examples[0]
        parameters = list(inspect.signature(example.step).parameters.values())[len(example.words) :]
        names = [each.name for each in parameters if each.kind is not each.VAR_POSITIONAL]
        rest = [each.name for each in parameters if each.kind is each.VAR_POSITIONAL]
        return names + [f"{rest[0]}_{i}" for i in range(len(example.inputs) - len(names))]

    @property
    def outputs(self) -> list[str]:
        """Names of the tensors that it returns."""
        return [f"out_{i}" for i in range(len(self.examples[0].answer))]

    def describe(self) -> dict[str, Any]:
        """Return the step's row in the list of steps; sides that are free are None."""
        example = self.examples[0]
        name, *words = self.key
        return {
            "step": name,
            "words": words,
            "file": self.file,
            "inputs": _shapes(self.inputs, example.inputs),
            "outputs": _shapes(self.outputs, example.answer),
        }

    def save_cases(self, folder: Path) -> list[str]:
        """Write the examples as cases for a proof; return their names."""
        names = []
        for number, example in enumerate(self.examples):
            given = {f"in.{n}": x.numpy() for n, x in zip(self.inputs, example.inputs, strict=True)}
            found = {f"out.{n}": x.numpy() for n, x in zip(self.outputs, example.answer, strict=True)}
            names.append(f"{self.file}-case{number}.npz")
            np.savez(folder / names[-1], **given, **found)
        return names


def find_steps(net: Layer) -> list[StepProgram]:
    """Return all steps that a network in evaluation mode calls. Raises UsageError when it names none."""
    if not getattr(net, "steps", ()):
        raise UsageError(f"--steps: {type(net).__name__} has no steps; export it as a whole")
    rng = np.random.default_rng(0)
    multiple = net.size_multiple
    least = -(-net.min_size // multiple)
    found = []
    for batch, frames, down, across in EXTENTS:
        shape = (batch, frames, 3, (least + down) * multiple, (least + across) * multiple)
        found.append(record(net, [paddle.to_tensor(rng.random(shape, np.float32))])[1])
    first, *others = found
    return [StepProgram(key, (first[key], *(each[key] for each in others))) for key in first]


def _shapes(names: list[str], tensors: tuple[Tensor, ...]) -> list[dict[str, Any]]:
    return [
        {"name": name, "shape": [None, *x.shape[1:-PIXELS], *(PIXELS * [None])]}
        for name, x in zip(names, tensors, strict=True)
    ]
