"""Where a run starts: its seed, network, weights and optimizer, and how samples become steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ppvsr.config.build import hint
from ppvsr.data.spans import OWN, Span
from ppvsr.errors import ConfigError, UsageError, WeightsError
from ppvsr.system.paddle import import_paddle
from ppvsr.train.experiment import Experiment
from ppvsr.weights.download import fetch
from ppvsr.weights.networks import load_weights
from ppvsr.weights.zoo import PARTS

if TYPE_CHECKING:
    from paddle.nn import Layer

    from ppvsr.data.clips import Dataset
    from ppvsr.system.ranks import Ranks
    from ppvsr.train.checkpoint import State
    from ppvsr.train.step import Stepper
    from ppvsr.train.task import Learning


# ---- Data sets look at their files before anything long begins.

Say = Callable[[str], Any]


def nobody(line: str) -> None:
    """Hear a line and tell nobody."""


def prepare(dataset: Dataset, ranks: Ranks, say: Say) -> Dataset:
    """Let a data set look at its files: first on rank 0, which may write caches, then on the others."""
    if ranks.main:
        dataset.prepare(say)
    ranks.barrier()
    if not ranks.main:
        dataset.prepare(nobody)
    return dataset


# ---- What a network starts from: published flow weights for its parts, random numbers for the rest.

OFFICIAL = "official"


def parts_of(net: Layer) -> dict[str, int]:
    """Return the parts of `net` that have published weights, with their numbers of parameters."""
    children = dict(net.named_children())
    counts = {
        name: sum(int(np.prod(p.shape)) for p in children[name].parameters()) for name in PARTS if name in children
    }
    return {name: count for name, count in counts.items() if count in PARTS[name]}


def load_parts(net: Layer, wanted: Mapping[str, str | None]) -> list[str]:
    """Give the parts of a network their weights; return a line about each.

    wanted: part → a file, "official" (which may download), or None for a random start. A part that is not named is
    official, as in PaddleGAN. Raises ConfigError for a part that the network does not have, WeightsError when the
    weights cannot be had.
    """
    parts = parts_of(net)
    children = {name for name, _ in net.named_children()}
    for name in wanted:
        if name not in children:
            raise ConfigError(f"pretrained.{name}: {type(net).__name__} has no such part{hint(name, parts)}")
    lines = []
    for name in dict.fromkeys([*parts, *wanted]):
        source = wanted.get(name, OFFICIAL)
        if source is None:
            lines.append(f"{name}: starts from random numbers")
            continue
        try:
            path = _file(name, source, parts)
            load_weights(getattr(net, name), path)
        except WeightsError as error:
            raise WeightsError(
                f"{error}; or name a file by -o pretrained.{name}=FILE, null for a random start"
            ) from error
        lines.append(f"{name}: starts from {path}")
    return lines


def _file(name: str, source: str, parts: Mapping[str, int]) -> Path:
    if source != OFFICIAL:
        return Path(source)
    if name not in parts:
        raise ConfigError(f"pretrained.{name}: nobody published weights of this size; name a file, or null")
    return fetch(PARTS[name][parts[name]])


# ---- Where a run starts: its seed, network, weights and optimizer, and how samples become steps.

AUTO = "auto"
STEPS = (  # the methods of the networks whose activations `recompute` does without
    "local_align", "local_fusion", "begin", "propagate", "refine", "refill", "auxiliary", "reconstruct",
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """What the command line adds to a config.

    resume: a checkpoint, or "auto" for the newest one of this config.  load: weights to start from, or to evaluate.
    amp: O0 is full precision.  device: as for `use_device`.  seed, validate_interval: over the config's.
    """

    resume: str | None = None
    load: str | None = None
    amp: Literal["O0", "O1", "O2"] = "O0"
    device: str | None = None
    seed: int | None = None
    validate_interval: int | None = None


@dataclass(frozen=True)
class Start:
    """What a run starts from. state: of an earlier session.  origin: lines about the weights, for the log."""

    task: Learning
    seed: int
    state: State | None
    origin: list[str]

    @classmethod
    def of(cls, experiment: Experiment, request: Request, ranks: Ranks, say: Say) -> Start:
        """Build the network and give it its weights. Raises WeightsError, ConfigError, UsageError."""
        state = find_state(experiment, request, ranks)
        seed = _choose_seed(experiment, request, state)
        task = make_task(experiment, seed, say)
        if state:
            origin = [f"goes on after step {state.step} of {state.where}"]
        elif not ranks.main:
            origin = []  # rank 0 shares its weights
        elif request.load:
            load_weights(task.net, request.load)
            origin = [f"weights: {request.load}"]
        else:
            origin = load_parts(task.net, experiment.settings.pretrained)
        return cls(task, seed, state, origin)

    @property
    def first(self) -> int:
        """The first step to take."""
        return self.state.step + 1 if self.state else 1

    def stepper(self, experiment: Experiment, request: Request, pace: Pace, ranks: Ranks) -> Stepper:
        """Make what takes the steps, in the state to start from."""
        from ppvsr.train.step import Stepper
        from ppvsr.train.task import recompute

        assert experiment.optimizer is not None and experiment.schedule is not None
        settings, schedule = experiment.settings, experiment.schedule
        if settings.recompute:
            recompute(self.task.net, STEPS)
        stepper = Stepper(
            self.task,
            experiment.optimizer(),
            schedule(**({"iters_per_epoch": pace.per_epoch} if schedule.takes("iters_per_epoch") else {})),
            seed=self.seed,
            clip_norm=settings.clip_norm,
            accumulate=settings.accumulate,
            ema_decay=settings.ema_decay,
            amp=request.amp,
            ranks=ranks,
        )
        if self.state:
            stepper.restore(self.state)
        return stepper


@dataclass(frozen=True)
class Pace:
    """How samples become steps. length: of the data set; batch: samples of one step, on all devices together."""

    length: int
    batch: int
    per_epoch: int
    total: int
    snapshot: int

    @classmethod
    def of(cls, experiment: Experiment, length: int, ranks: Ranks) -> Pace:
        """Count the steps. Raises ConfigError when the data set is smaller than one batch."""
        from ppvsr.data.loader import steps_per_epoch

        assert experiment.train is not None
        settings, interval = experiment.settings, experiment.snapshot.interval
        batch = experiment.train.batches.batch_size * ranks.world * settings.accumulate
        per_epoch = steps_per_epoch(length, batch)
        if settings.epochs:
            return cls(length, batch, per_epoch, settings.epochs * per_epoch, interval * per_epoch)
        return cls(length, batch, per_epoch, settings.total_iters or 0, interval)

    def __str__(self) -> str:
        return f"{self.total} steps of {self.batch} clips; {self.length} samples are {self.per_epoch} steps"


def make_task(experiment: Experiment, seed: int, say: Say) -> Learning:
    """Build network and losses; the first weights depend on the seed only."""
    from ppvsr.ops.deform import use_native
    from ppvsr.ops.init import reset_weights

    assert experiment.task is not None
    paddle = import_paddle()
    paddle.seed(seed)
    task = experiment.task()
    reset_weights(task.net)
    native = experiment.settings.native_ops and paddle.get_device() == "cpu"
    if native and (reason := use_native(task.net, learning=True)):
        say(reason)
    return task


def find_state(experiment: Experiment, request: Request, ranks: Ranks) -> State | None:
    """Return the state that `--resume` means; None without it, and at the first start with `--resume auto`."""
    from ppvsr.train.checkpoint import newest, read_checkpoint

    if request.resume is None:
        return None
    path: str | Path | None = request.resume
    if request.resume == AUTO:
        path = ranks.share(newest(Path(experiment.settings.output_dir), experiment.name) if ranks.main else None)
    return read_checkpoint(path) if path else None


def check_sizes(dataset: Dataset, net: object, seed: int, span: Span = OWN) -> str:
    """Read one sample, compare it with what the network takes, and describe it. Raises ConfigError, DataError.

    span: the longest that will be asked for.
    """
    import numpy as np

    if (span.before or span.after) and not hasattr(net, "learn"):
        raise ConfigError(
            f"dataset.train.warm_frames: {type(net).__name__} has no states that frames could bring; leave it out"
        )
    sample = dataset.load(0, np.random.default_rng((seed, 0, 1)), span)
    lq, gt = sample["lq"], sample["gt"]
    least, scale = getattr(net, "min_size", 1), getattr(net, "scale", 1)
    (h, w), (gt_h, gt_w) = lq.shape[-2:], gt.shape[-2:]
    if min(h, w) < least:
        raise ConfigError(
            f"dataset.train: low-resolution samples are {w}x{h}, {type(net).__name__} takes {least}x{least} or more; "
            f"set gt_patch_size to {least * scale} or more"
        )
    if (gt_h, gt_w) != (h * scale, w * scale):
        raise ConfigError(
            f"dataset.train: samples are {w}x{h} and {gt_w}x{gt_h}, {type(net).__name__} enlarges {scale} times; "
            "look at the folders and at `scale`"
        )
    return f"{sample['key']}: lq {lq.dtype} {lq.shape}, gt {gt.dtype} {gt.shape}"


def _choose_seed(experiment: Experiment, request: Request, state: State | None) -> int:
    wanted = experiment.settings.seed if request.seed is None else request.seed
    known = state.facts.get("seed") if state else None
    if known is not None and known != wanted and request.seed is not None:
        raise UsageError(f"--seed {wanted}: {state and state.where} was made with seed {known}; leave --seed out")
    return wanted if known is None else int(known)
