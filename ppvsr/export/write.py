"""A network with its weights → programs of Paddle, whole clips or step by step, published when proved equal to it."""

from __future__ import annotations

import importlib.util
import inspect
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor
from paddle.jit.dy2static.convert_call_func import convert_call
from paddle.nn import Layer

from ppvsr.compile import steps
from ppvsr.compile.steps import Example, Key, record, replaced
from ppvsr.compile.worker import moving_clip
from ppvsr.errors import PpvsrError, UsageError
from ppvsr.export import engines, onnx
from ppvsr.export.files import ClipShape, Origin, Target, describe, notes
from ppvsr.export.onnx import Program
from ppvsr.ops.deform import TAPS, DeformConv2D, use_native
from ppvsr.ops.lowering import Lowering, lowered
from ppvsr.system.process import run_child

# ---- Deformable convolution written as bilinear sampling, for runtimes that know GridSample but no DeformConv.


@contextmanager
def sampled(net: Layer) -> Iterator[None]:
    """Have the deformable convolutions of a network sample tap by tap for as long as the context lasts."""
    layers = [layer for layer in net.sublayers(include_self=True) if isinstance(layer, DeformConv2D)]
    for layer in layers:
        layer.forward = partial(sample_and_convolve, layer)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def sample_and_convolve(layer: DeformConv2D, x: Tensor, offset: Tensor, mask: Tensor) -> Tensor:
    """Do what `layer(x, offset, mask)` does: nine sampled pictures, then one convolution of 1x1.

    x: (n, c, h, w);  offset: (n, 18 * groups, h, w);  mask: (n, 9 * groups, h, w). The sides need not be known: groups
    become pictures by shapes that keep the last two sides (0) and count only the first (-1).
    """
    c, part = x.shape[1], x.shape[1] // layer.groups
    pictures = x.reshape([-1, part, 0, 0])  # (n * groups, c / groups, h, w)
    one = paddle.ones_like(pictures[:, :1])
    column, row = paddle.cumsum(one, axis=3), paddle.cumsum(one, axis=2)  # from 1
    w, h = column[:, :, :, -1:], row[:, :, -1:, :]
    taps = []
    for tap in range(TAPS):
        down, across = (offset[:, 2 * tap + axis :: 2 * TAPS].reshape([-1, 1, 0, 0]) for axis in (0, 1))
        right = (across + (column + (tap % 3 - 1.5))) * (2 / w) - 1
        below = (down + (row + (tap // 3 - 1.5))) * (2 / h) - 1
        grid = paddle.concat([right, below], axis=1).transpose([0, 2, 3, 1])
        read = F.grid_sample(pictures, grid, padding_mode="zeros", align_corners=False)
        taps.append((read * mask[:, tap::TAPS].reshape([-1, 1, 0, 0])).reshape([-1, c, 0, 0]))
    kernel = layer.weight.transpose([0, 2, 3, 1]).reshape([layer.weight.shape[0], TAPS * c, 1, 1])
    return F.conv2d(paddle.concat(taps, axis=1), kernel, layer.bias)


# ---- The steps of a network as programs: their files, inputs and outputs by name, and examples to prove them with.

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


# ---- Networks into programs of Paddle: a whole clip at once, or step by step.

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
        steps.export(net, example, path, native=False)


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


# ---- A network with its weights → exported files, which appear only after they were proved equal to it.

ANSWER, AUXILIARY = "sr", "auxiliary"
CONVERTERS = ("paddle2onnx", "onnx", "onnxruntime")
INSTALL = 'pip install "ppvsr[onnx]", or pip install -r requirements-dev.txt in a clone'


@dataclass(frozen=True)
class Options:
    """How to export. auxiliary: MSVSR's auxiliary pictures, too.  portable: without DeformConv (ONNX only).

    threads: of the proofs.
    """

    auxiliary: bool = False
    portable: bool = False
    threads: int = 1


def check_tools(target: Target, options: Options) -> None:
    """Raise PpvsrError when a package is missing, UsageError for options that do not go together."""
    if target.format == "paddle":
        if options.portable:
            raise UsageError("--portable: it is for --format onnx; Paddle Inference has deformable convolutions")
        return
    for name in CONVERTERS:
        if importlib.util.find_spec(name) is None:
            raise PpvsrError(f"--format onnx needs the Python package {name}, which is not installed: {INSTALL}")


def write_clip(
    net: Layer, shape: ClipShape, target: Target, origin: Origin, options: Options, say: Callable[[str], Any]
) -> Path:
    """Export a whole clip's network; return the metadata file. The network is not to be used afterwards.

    say: hears what is going on.
    Raises UsageError for what cannot be asked for, PpvsrError when the program is not equal or cannot be made.
    """
    target.check(steps=False)
    check_tools(target, options)
    shape.check(net)
    if options.auxiliary and not getattr(net, "auxiliary_loss", False):
        raise UsageError(f"--auxiliary: {type(net).__name__} has no auxiliary pictures here; leave it out")
    outputs = [AUXILIARY, ANSWER] if options.auxiliary else [ANSWER]
    about = describe(net, origin, target.format, "clip")
    with target.work() as work:
        with for_export(net, auxiliary=options.auxiliary):
            say("running the network on two clips, to compare with")
            cases = _clip_cases(net, shape, outputs, work)
        with for_export(net, auxiliary=options.auxiliary, portable=options.portable):
            say("writing the program")
            trace_clip(net, shape, work / target.name)
        program = Program(work / f"{target.name}.json")
        program.rename(["lq"], outputs)
        program.save(work / f"{target.name}.json")
        b, t, c, h, w = shape.sizes()
        size = [b, t, c, h and h * net.scale, w and w * net.scale]
        about["inputs"] = [{"name": "lq", "shape": shape.sizes()}]
        about["outputs"] = [{"name": name, "shape": size} for name in outputs]
        differences = _finish(work, {target.name: cases}, target, about, options, say)
        clips = [list(size) for size in shape.examples(net)]
        return target.publish(work, {**about, "proof": {"inputs": clips, "differences": differences}})


def write_steps(net: Layer, target: Target, origin: Origin, options: Options, say: Callable[[str], Any]) -> Path:
    """Export the steps of a network, for any batch and size; return the file that lists them. As `write_clip`."""
    target.check(steps=True)
    check_tools(target, options)
    if options.auxiliary:
        raise UsageError("--auxiliary: it is for whole clips; `auxiliary` is one of the steps")
    about = describe(net, origin, target.format, "steps")
    with target.work() as work:
        with for_export(net):
            say("running the network on two clips, to compare with")
            steps = find_steps(net)
            cases = {each.file: each.save_cases(work) for each in steps}
        with for_export(net, portable=options.portable):
            for number, each in enumerate(steps, start=1):
                say(f"writing step {number} of {len(steps)}: {each.file}")
                trace_step(net, each.examples[0], work / each.file)
                program = Program(work / f"{each.file}.json")
                program.rename(each.inputs, each.outputs)
                program.save(work / f"{each.file}.json")
        about["steps"] = [each.describe() for each in steps]
        differences = _finish(work, cases, target, about, options, say)
        return target.publish_steps(work, list(cases), {**about, "proof": {"differences": differences}})


def _clip_cases(net: Layer, shape: ClipShape, outputs: Sequence[str], work: Path) -> list[str]:
    """Run the network on clips that move as films do; keep what went in and came out."""
    rng = np.random.default_rng(0)
    names = []
    for number, size in enumerate(shape.examples(net)):
        clip = moving_clip(rng, size)
        with paddle.no_grad():
            answers = net(paddle.to_tensor(clip))
        arrays: dict[str, Any] = {f"out.{n}": x.numpy() for n, x in zip(outputs, answers, strict=True)}
        names.append(f"clip-{number}.npz")
        np.savez(work / names[-1], **{**arrays, "in.lq": clip})
    return names


def _finish(
    work: Path,
    cases: Mapping[str, Sequence[str]],
    target: Target,
    about: Mapping[str, Any],
    options: Options,
    say: Callable[[str], Any],
) -> dict[str, float]:
    """Convert the programs in `work` where the format wants it, and prove them; return the largest differences."""
    if target.format == "onnx":
        say("converting to ONNX")
        order = {"programs": list(cases), "notes": notes(about)}
        (work / onnx.ORDER).write_text(json.dumps(order), encoding="utf-8")
        run_child(onnx.__name__, work, f"{target.name}: paddle2onnx cannot convert it")
    return {mode: _prove(work, cases, mode, options, say) for mode in engines.MODES[target.format]}


def _prove(
    work: Path, cases: Mapping[str, Sequence[str]], mode: str, options: Options, say: Callable[[str], Any]
) -> float:
    """Return the largest difference between programs and network. Raises PpvsrError if that is too large."""
    say(f"proving it ({mode})")
    order = {"mode": mode, "threads": options.threads, "programs": cases}
    (work / engines.ORDER).write_text(json.dumps(order), encoding="utf-8")
    run_child(engines.__name__, work, f"the proof by {mode} failed")
    verdict: dict[str, float] = json.loads((work / engines.VERDICT).read_text(encoding="utf-8"))
    worst = max(verdict, key=lambda name: float(np.nan_to_num(verdict[name], nan=np.inf)))
    if not verdict[worst] <= engines.TOLERANCES[mode]:  # nan is no proof either
        raise PpvsrError(
            f"{worst}: the program differs from the network by {verdict[worst]:.1e} ({mode}; allowed: "
            f"{engines.TOLERANCES[mode]:.0e}); nothing was written"
        )
    return verdict[worst]
