"""A network with its weights → exported files, which appear only after they were proved equal to it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle.nn import Layer

from ppvsr.errors import PpvsrError, UsageError
from ppvsr.export import convert, proof
from ppvsr.export.about import Origin, describe, notes
from ppvsr.export.child import run_child
from ppvsr.export.program import Program
from ppvsr.export.shape import ClipShape
from ppvsr.export.steps import find_steps
from ppvsr.export.target import Target
from ppvsr.export.trace import for_export, trace_clip, trace_step
from ppvsr.runtime.clips import moving_clip

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
        (work / convert.ORDER).write_text(json.dumps(order), encoding="utf-8")
        run_child(convert.__name__, work, f"{target.name}: paddle2onnx cannot convert it")
    return {mode: _prove(work, cases, mode, options, say) for mode in proof.MODES[target.format]}


def _prove(
    work: Path, cases: Mapping[str, Sequence[str]], mode: str, options: Options, say: Callable[[str], Any]
) -> float:
    """Return the largest difference between programs and network. Raises PpvsrError if that is too large."""
    say(f"proving it ({mode})")
    order = {"mode": mode, "threads": options.threads, "programs": cases}
    (work / proof.ORDER).write_text(json.dumps(order), encoding="utf-8")
    run_child(proof.__name__, work, f"the proof by {mode} failed")
    verdict: dict[str, float] = json.loads((work / proof.VERDICT).read_text(encoding="utf-8"))
    worst = max(verdict, key=lambda name: float(np.nan_to_num(verdict[name], nan=np.inf)))
    if not verdict[worst] <= proof.TOLERANCES[mode]:  # nan is no proof either
        raise PpvsrError(
            f"{worst}: the program differs from the network by {verdict[worst]:.1e} ({mode}; allowed: "
            f"{proof.TOLERANCES[mode]:.0e}); nothing was written"
        )
    return verdict[worst]
