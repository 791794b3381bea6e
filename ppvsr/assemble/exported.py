"""An exported network as a network: what runs clips and films cannot tell it from the one that was trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ppvsr.assemble.trial import fails
from ppvsr.errors import UsageError
from ppvsr.export.engines import Engine, paddle_engine
from ppvsr.export.model import Exported, read_exported
from ppvsr.framework import import_paddle

if TYPE_CHECKING:
    from paddle import Tensor

INPUT, OUTPUT = "lq", "sr"
CONTEXT = 4  # the part of a window that is its overlap on either side, where nobody says


class ExportedNetwork:
    """Takes (1, t, 3, h, w) in [0, 1], returns a tuple whose last member is (1, t, 3, s*h, s*w).

    exported, run: what its files say, and its program.  runs_on: what runs it, for people.
    frames: of every clip that it computes; of a shorter one the last frame is repeated, and the surplus left out.
    scale, min_size, size_multiple: as of a network of `ppvsr.archs`; a fixed size has neither of the latter two.
    """

    training = False

    def __init__(self, exported: Exported, run: Engine, runs_on: str) -> None:
        about = exported.about
        shape = about["inputs"][0]["shape"]
        self.path = exported.path
        self.runs_on = runs_on
        self.frames: int = shape[1]
        self.size = shape[3:]
        fixed = None not in self.size
        self.scale: int = about["scale"]
        self.min_size = 1 if fixed else about["min_size"]
        self.size_multiple = 1 if fixed else about["size_multiple"]
        self._run = run

    def eval(self) -> None:
        """Do nothing: it is always in evaluation mode."""

    def __call__(self, lq: Tensor) -> tuple[Tensor]:
        """Run a clip. Raises UsageError for one of another size or of more frames than were exported."""
        import paddle

        count, _, height, width = lq.shape[1:]
        self.check_size(height, width)
        if count > self.frames:
            raise UsageError(
                f"{self.path}: takes {self.frames} frames at once, not {count};"
                " leave validate.mirror and MirrorVideoSequence out"
            )
        clip = lq.numpy()
        filled = np.concatenate([clip, np.repeat(clip[:, -1:], self.frames - count, axis=1)], axis=1)
        return (paddle.to_tensor(self._run({INPUT: filled})[OUTPUT][:, :count]),)

    def check_size(self, height: int, width: int) -> None:
        """Raise UsageError, with both sizes, for frames that the network does not take."""
        wanted = [given or real for given, real in zip(self.size, (height, width), strict=True)]
        if wanted != [height, width]:
            raise UsageError(
                f"{self.path}: takes frames of {wanted[1]}x{wanted[0]}, not of {width}x{height}; export the network"
                f" for that size (tools/export_model.py -s 1,{self.frames},3,{height},{width}) or for all sizes"
            )

    def window(self, frames: int | None, overlap: int | None) -> tuple[int, int]:
        """Return the window and the overlap that are meant. Raises UsageError for those that cannot be."""
        window = frames or self.frames
        if window > self.frames:
            raise UsageError(f"--num_frames {window}: {self.path} was exported for {self.frames} frames at once")
        overlap = window // CONTEXT if overlap is None else overlap
        if 2 * overlap >= window:
            raise UsageError(
                f"--overlap {overlap}: windows of {window} frames can overlap by {(window - 1) // 2} on either side"
            )
        return window, overlap


def open_exported(
    path: str | Path, *, threads: int | None = None, say: Callable[[str], Any] = lambda line: None
) -> ExportedNetwork:
    """Open what `tools/export_model.py` wrote: NAME of NAME.yaml, or one of its files. It runs on the CPU.

    A program of Paddle is tried in a process of its own first, because oneDNN may crash; if it does, it runs without.
    say: hears what runs it.
    Raises UsageError when there is no such network, or only its steps, PpvsrError when it cannot be run.
    """
    exported = read_exported(path)
    if exported.about["kind"] != "clip":
        raise UsageError(f"{path}: are the steps of a network; give the network that was exported without --steps")
    batch = exported.about["inputs"][0]["shape"][0]
    if batch not in (None, 1):
        raise UsageError(f"{path}: takes {batch} clips at once; export the network with a batch of 1")
    import_paddle()
    from ppvsr.runtime.backend import available_threads

    run, runs_on = _ready(exported, threads or available_threads(), say)
    say(f"{exported.path}: {exported.about['network']}, runs on {runs_on}")
    return ExportedNetwork(exported, run, runs_on)


def _ready(exported: Exported, threads: int, say: Callable[[str], Any]) -> tuple[Engine, str]:
    if exported.about["format"] == "onnx":
        return exported.load(threads=threads), "ONNX Runtime"
    if trouble := fails(exported.path, threads):
        say(f"oneDNN is left out, which costs speed only: {trouble}")
        return paddle_engine(exported.path, onednn=False, threads=threads), "Paddle Inference without oneDNN"
    return exported.load(threads=threads), "Paddle Inference with oneDNN"
