"""Exported networks, read again, tried in a process of their own, and run as what they were made from.

python -m ppvsr.export.exported NAME THREADS
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from ppvsr.errors import PpvsrError, UsageError
from ppvsr.export.engines import Engine, onnx_engine, paddle_engine
from ppvsr.export.files import ENDINGS, digests
from ppvsr.system.paddle import import_paddle
from ppvsr.system.process import command, run

if TYPE_CHECKING:
    from paddle import Tensor


# ---- Exported networks, read again: what they are, and how they run.

KNOWN = (".yaml", *(ending for endings in ENDINGS.values() for ending in endings))
NEEDED = ("format", "kind", "network", "scale", "min_size", "size_multiple", "inputs", "outputs", "files")


@dataclass(frozen=True)
class Exported:
    """A whole clip's network on disk. path: of its files, without ending.  about: its metadata, see docs/export.md."""

    path: Path
    about: Mapping[str, Any]

    def load(self, *, threads: int) -> Engine:
        """Make it run on the CPU, by Paddle Inference with oneDNN or by ONNX Runtime: {"lq": clip} → {"sr": clip}.

        Raises PpvsrError when the files are not those that were proved, or the runtime is missing.
        """
        for name, digest in self.about["files"].items():
            try:
                found = digests(self.path.parent, [Path(name).name])
            except OSError as error:
                raise PpvsrError(f"{self.path.parent / name}: {error.strerror}; export the network again") from error
            if found != {name: digest}:  # Paddle might crash
                raise PpvsrError(f"{self.path.parent / name}: it is damaged or of another export; export it again")
        if self.about["format"] == "onnx":
            return onnx_engine(self.path, threads=threads)
        return paddle_engine(self.path, onednn=True, threads=threads)


def read_exported(path: str | Path) -> Exported:
    """Read the metadata of an exported network: `path` is its name without ending, or any of its files.

    Raises UsageError when there is none, PpvsrError when it is damaged.
    """
    path = Path(path)
    if path.suffix in KNOWN:
        path = path.with_suffix("")
    file = path.with_name(f"{path.name}.yaml")
    try:
        about = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{file}: there is no such exported network; make one by tools/export_model.py") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PpvsrError(
            f"{file}: it cannot be read ({str(error).splitlines()[0]}); export the network again"
        ) from error
    missing = [key for key in NEEDED if key not in about] if isinstance(about, dict) else list(NEEDED)
    if missing:
        raise PpvsrError(f"{file}: it says nothing of {', '.join(missing)}; export the network again")
    if about["format"] not in list(ENDINGS) or not isinstance(about["files"], dict):
        raise PpvsrError(f"{file}: no metadata of a network: format {about['format']!r}; export the network again")
    if about["kind"] == "clip":
        _check_clip(path, about, file)
    return Exported(path, about)


def _check_clip(path: Path, about: Mapping[str, Any], file: Path) -> None:
    """Raise PpvsrError unless the metadata names just the files of this network, and what it takes."""
    if set(about["files"]) != {f"{path.name}{ending}" for ending in ENDINGS[about["format"]]}:
        raise PpvsrError(f"{file}: names other files than its own; do not rename them, export the network again")
    inputs = about["inputs"]
    shape = inputs[0].get("shape") if isinstance(inputs, list) and inputs and isinstance(inputs[0], dict) else None
    numbers = [about[key] for key in ("scale", "min_size", "size_multiple")]
    sides = shape if isinstance(shape, list) and len(shape) == 5 and shape[1] else [""]
    if not all(type(each) is int and each > 0 for each in (*numbers, *(side for side in sides if side is not None))):
        raise PpvsrError(f"{file}: the shape of the input, {shape}, or the scale makes no sense; export it again")


# ---- Run an exported program once, in a process of its own: with oneDNN, Paddle may crash.

COMMAND = command("ppvsr.export.exported")
NOT_FINITE = 3  # exit code
PATIENCE = 900  # seconds after which a trial hangs


def main(path: Path, threads: int) -> int:
    """Run the program on noise, as much as it was proved with; return the exit code."""
    exported = read_exported(path)
    clip = np.random.default_rng(0).random(exported.about["proof"]["inputs"][0], np.float32)
    try:
        run = exported.load(threads=threads)
    except PpvsrError:  # damaged files: nothing to try, and whoever opens them will say so
        return 0
    return 0 if all(np.isfinite(answer).all() for answer in run({"lq": clip}).values()) else NOT_FINITE


def fails(path: Path, threads: int) -> str | None:
    """Run the program in a child process; return what went wrong, in a few words, or None."""
    with tempfile.TemporaryDirectory() as empty:
        ending = run([*COMMAND, str(path.absolute()), str(threads)], Path(empty), patience=PATIENCE)
    if ending.code is None:
        return f"its trial took more than {PATIENCE} s"
    if ending.signal:
        return f"its trial crashed ({ending.signal})"
    reason = "results that are not finite" if ending.code == NOT_FINITE else f"exit code {ending.code}"
    return f"its trial failed ({reason})" if ending.code else None


# ---- An exported network as a network: what runs clips and films cannot tell it from the one that was trained.

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
    from ppvsr.system.machine import available_threads

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


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
