"""Everything that training needs to go on, in one file, in the layout of PaddleGAN's checkpoints."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ppvsr.errors import WeightsError
from ppvsr.train.folder import is_run_folder
from ppvsr.weights.atomic import replace_file
from ppvsr.weights.files import read_entries
from ppvsr.weights.legacy import to_ours, to_paddlegan
from ppvsr.weights.save import save, write_pickle

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
