"""The folder of a run, and in it everything that training needs to go on, in PaddleGAN's layout."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from ppvsr.errors import UsageError, WeightsError
from ppvsr.system.files import PART, replace_file
from ppvsr.system.ranks import Ranks
from ppvsr.weights.files import read_entries, save, write_pickle
from ppvsr.weights.names import to_ours, to_paddlegan

# ---- The folder of one run.


def make_run_folder(output_dir: Path, stem: str, *, at: datetime, ranks: Ranks | None = None) -> Path:
    """Make `<output_dir>/<stem>-YYYY-MM-DD-HH-MM` and return it, the same one on every rank.

    stem: the config's name without ending.  at: when the run began.  A second run in that minute gets `-2` behind it,
    the next `-3`, and so on, also when both start at the same moment. All ranks must call this; rank 0 makes it.
    Raises UsageError, on every rank, when it cannot be made.
    """
    ranks = ranks or Ranks()
    made = _make(output_dir, f"{stem}-{at:%Y-%m-%d-%H-%M}") if ranks.main else None
    made = ranks.share(made)
    if isinstance(made, str):
        raise UsageError(made)
    assert isinstance(made, Path)
    return made


@contextmanager
def claimed(folder: Path, *, ranks: Ranks | None = None) -> Iterator[None]:
    """Keep other processes from training in the same run folder, as a second `--resume auto` would; on rank 0 only.

    Raises UsageError when one is there already. Where locks do not work (Windows, network folders), nobody notices.
    """
    if ranks is not None and not ranks.main:
        yield
        return
    with open(folder / ".lock", "ab") as lock:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"{folder}: another process is training there; stop it first, or wait for it") from None
        except (ImportError, OSError):
            pass
        for part in folder.glob(f".*{PART}"):  # of a process that was killed
            part.unlink(missing_ok=True)
        yield


def is_run_folder(name: str, stem: str) -> bool:
    """Whether a folder of this name is a run of the config `stem`, and not of one whose name begins alike."""
    return re.fullmatch(re.escape(stem) + r"-\d{4}(-\d\d){4}(-\d+)?", name) is not None


def _make(output_dir: Path, name: str) -> Path | str:
    """Return the folder, or why there is none: what rank 0 raised alone would leave the others waiting."""
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            folder = output_dir / (name if number == 1 else f"{name}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        return f"output_dir: {output_dir}: cannot be made or written: {error.strerror}; choose another place"
    raise AssertionError("count() ends")


# ---- Everything that training needs to go on, in one file, in the layout of PaddleGAN's checkpoints.

Arrays = dict[str, np.ndarray]
NAME = re.compile(r"iter_(\d+)_checkpoint\.pdparams")
FACTS = "ppvsr"  # the entry that PaddleGAN's own checkpoints lack


@dataclass(frozen=True)
class State:
    """Training after `step` steps. All names of parameters are ours.

    weights: what is trained, and the constants of the network, as `Layer.state_dict` names them.
    optimizer: moments and the like, as `<parameter>.<accumulator>`; a parameter that was never updated has none.
    ema: the averaged weights, if averaging is on.
    facts: plain JSON: seed, scaler, skipped, best, versions. There is no RNG state: every step seeds itself.
    where: the place the state came from, for messages; not written.
    """

    step: int
    weights: Arrays
    optimizer: Arrays = field(default_factory=dict)
    ema: Arrays | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    where: str = "checkpoint"


def write_checkpoint(folder: Path, state: State) -> Path:
    """Write `iter_<step>_checkpoint.pdparams` and return its path.

    The file is a pickle of plain values and arrays: `generator`, `optim`, `epoch` (the step, as PaddleGAN has it),
    `ema` and, as JSON, `ppvsr`. Raises WeightsError when it cannot be written; an older file of that name then stays.
    """
    path = folder / f"iter_{state.step}_checkpoint.pdparams"
    tree: dict[str, Any] = {"generator": _renamed(state.weights), "optim": state.optimizer, "epoch": state.step}
    if state.ema is not None:
        tree["ema"] = _renamed(state.ema)
    tree[FACTS] = json.dumps(state.facts)
    replace_file(path, partial(write_pickle, tree))
    return path


def write_weights(folder: Path, label: str, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write `<label>_weight.pdparams`, which PaddleGAN opens too, and return its path.

    label: `iter_<step>` or `best`. Raises WeightsError as `write_checkpoint` does.
    """
    path = folder / f"{label}_weight.pdparams"
    save(arrays, path, overwrite=True)
    return path


def read_checkpoint(path: str | Path) -> State:
    """Return the state that a file of ours, or of PaddleGAN, holds; nothing in it is executed.

    PaddleGAN names moments by the order in which layers were made in its process: they are left behind, and the fact
    `origin` says so. Raises WeightsError when the file is missing, damaged, hostile or no checkpoint.
    """
    path = Path(path)
    entries = read_entries(path)
    weights, step, text = entries.get("generator"), entries.get("epoch"), entries.get(FACTS)
    if not isinstance(weights, dict) or not isinstance(step, int) or step < 0:
        raise WeightsError(
            f"{path}: is a weight file, without the state of a training: use --load to start from it, or --resume with "
            "an iter_<N>_checkpoint.pdparams"
        )
    if text is None:
        note = "PaddleGAN; without the moments of its optimizer"
        return State(step, to_ours(weights), facts={"origin": note}, where=str(path))
    optimizer, ema = entries.get("optim"), entries.get("ema")
    return State(
        step,
        to_ours(weights),
        optimizer if isinstance(optimizer, dict) else {},
        to_ours(ema) if isinstance(ema, dict) else None,
        _facts(text, path),
        str(path),
    )


def rotate(folder: Path, keep: int) -> None:
    """Remove the checkpoints before the last `keep` that are complete; damaged ones among those count for nothing.

    Checkpoints of later steps than the one written last belong to a run that was resumed earlier; they stay. A file
    that cannot be removed stays, too.
    """
    found = {_step(path): path for path in _by_age(folder)}
    if not found:
        return
    last = list(found)[-1]
    complete = 0
    for step in sorted((step for step in found if step <= last), reverse=True):
        if complete >= keep:
            with suppress(OSError):
                found[step].unlink()
        elif _complete(found[step]):
            complete += 1


def newest(output_dir: Path, stem: str) -> Path | None:
    """Return the complete checkpoint that was written last in the run folders `<stem>-*`; None if there is none."""
    if not output_dir.is_dir():
        return None
    folders = [path for path in output_dir.iterdir() if path.is_dir() and is_run_folder(path.name, stem)]
    files = sorted((path for folder in folders for path in _by_age(folder)), key=_age)
    return next(filter(_complete, reversed(files)), None)


def _by_age(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder, the last written last."""
    return sorted((path for path in folder.iterdir() if NAME.fullmatch(path.name) and path.is_file()), key=_age)


def _age(path: Path) -> tuple[int, int]:
    return path.stat().st_mtime_ns, _step(path)


def _step(path: Path) -> int:
    match = NAME.fullmatch(path.name)
    assert match
    return int(match[1])


def _complete(path: Path) -> bool:
    try:
        read_checkpoint(path)
    except WeightsError:
        return False
    return True


def _renamed(arrays: Mapping[str, np.ndarray]) -> Arrays:
    return {to_paddlegan(name): array for name, array in arrays.items()}


def _facts(text: Any, path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(text)
    except (TypeError, ValueError) as error:
        raise WeightsError(
            f"{path}: damaged, its entry `{FACTS}` is no JSON; resume from another checkpoint"
        ) from error
    if not isinstance(facts, dict):
        raise WeightsError(f"{path}: damaged, its entry `{FACTS}` is no mapping; resume from another checkpoint")
    return facts
