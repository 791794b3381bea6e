"""A config file → an experiment: every node checked against what it names, nothing built yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from ppvsr.config.build import Call, accepts, closest, fill, hint, plan, refuse
from ppvsr.config.yaml import load
from ppvsr.errors import ConfigError
from ppvsr.evaluate.evaluate import WORST
from ppvsr.system.paddle import import_paddle

# ---- The nets that `export_model` of a config names.

NETS = ("generator",)  # the networks of a model; all of ours have this one only
PLACE = "export_model"


@dataclass(frozen=True)
class ExportedNet:
    """One entry: which net, and how many inputs it has, which is always one (a clip)."""

    name: str
    inputs_num: Literal[1] = 1

    def __post_init__(self) -> None:
        if self.name not in NETS:
            raise ConfigError(f"name: there is no net {self.name!r}{hint(self.name, NETS)}")


def read_nets(node: Any, problems: list[str]) -> tuple[ExportedNet, ...]:
    """Return the entries; the generator where there are none. Mistakes are added to `problems`."""
    if node is None:
        return tuple(ExportedNet(name) for name in NETS)
    if not isinstance(node, list) or not node:
        problems.append(f"{PLACE}: expected a list such as [{{name: generator}}], got {node!r}")
        return ()
    entries = [_read_net(each, f"{PLACE}[{i}]", problems) for i, each in enumerate(node)]
    return tuple(dict.fromkeys(each for each in entries if each))


def _read_net(node: Any, where: str, problems: list[str]) -> ExportedNet | None:
    before = len(problems)
    net = fill(ExportedNet, node, where, problems)
    problems[before:] = [each.replace(f"{where}: name:", f"{where}.name:") for each in problems[before:]]
    return net


# ---- The keys at the top of a config that are plain values.


@dataclass(frozen=True)
class Settings:
    """What a run does as a whole.

    total_iters: optimisation steps; or epochs: passes over `dataset.train` (then `snapshot_config.interval` counts
    epochs, as in PaddleGAN).  output_dir: where run folders go.  seed: of the first weights and of all samples.
    accumulate: batches of one step.  clip_norm: of all gradients together; None leaves them.  ema_decay: of the
    averaged weights that are validated and saved; None has none.  pretrained: part of the network (`spynet`, `edvr`) →
    a file of its weights, "official", or null for a random start; parts that are not named are official.
    recompute: save memory by computing activations twice.  nan_streak: steps in a row without a finite gradient that
    end the run.  tensorboard: write event files.  native_ops: on a CPU, convolutions by our own operators,
    which are compiled once; false leaves them to Paddle's.
    """

    output_dir: str = "output_dir"
    total_iters: int | None = None
    epochs: int | None = None
    seed: int = 0
    accumulate: int = 1
    clip_norm: float | None = None
    ema_decay: float | None = None
    pretrained: Mapping[str, str | None] = field(default_factory=dict)
    recompute: bool = False
    nan_streak: int = 10
    tensorboard: bool = True
    native_ops: bool = True

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise ConfigError("; ".join(problems))

    def _problems(self) -> Iterator[str]:
        for key in ("total_iters", "epochs", "accumulate", "nan_streak"):
            value = getattr(self, key)
            if value is not None and value < 1:
                yield f"{key}: expected 1 or more, got {value}"
        if self.seed < 0:
            yield f"seed: expected 0 or more, got {self.seed}"
        for part, source in self.pretrained.items():
            if source is not None and not isinstance(source, str):
                yield f"pretrained.{part}: expected a file, official, or null, got {source!r}"
        if self.total_iters and self.epochs:
            yield "total_iters and epochs exclude each other; give one of them"
        if self.clip_norm is not None and not self.clip_norm > 0:
            yield f"clip_norm: expected more than 0, got {self.clip_norm}; leave it out for no limit"
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            yield f"ema_decay: expected a number between 0 and 1, got {self.ema_decay}"


# ---- What a run logs, keeps and validates: the blocks `log_config`, `snapshot_config` and `validate` of a config.
# The field names are the keys. Intervals are optimisation steps here; whoever builds these from a config with `epochs`
# multiplies `snapshot_config.interval` by the steps of an epoch before.

WORST_FRAME = "psnr_worst"  # PSNR of the worst frame of all clips, beside the means of the metrics


@dataclass(frozen=True)
class LogOptions:
    """`log_config`: a line every `interval` steps; pictures every `visual_interval`, None or -1 for none.

    Raises ConfigError for an interval that is none.
    """

    interval: int = 10
    visual_interval: int | None = None

    def __post_init__(self) -> None:
        _at_least(1, "log_config", interval=self.interval)
        if self.visual_interval is not None:
            _interval_or_never("log_config", visual_interval=self.visual_interval)


@dataclass(frozen=True)
class SnapshotOptions:
    """`snapshot_config`: weights and a checkpoint every `interval` steps and at the end.

    keep: newest checkpoints that stay.  keep_weights: newest `iter_N_weight` files that stay; None for all, as in
    PaddleGAN.  best: the metric of `validate.metrics` whose highest value decides what `best_weight` holds, or
    `psnr_worst`, the PSNR of the worst frame of all clips; None for no such file.
    Raises ConfigError for numbers below 1.
    """

    interval: int = 5000
    keep: int = 1
    keep_weights: int | None = None
    best: str | None = "psnr"

    def __post_init__(self) -> None:
        _at_least(1, "snapshot_config", interval=self.interval, keep=self.keep)
        if self.keep_weights is not None:
            _at_least(1, "snapshot_config", keep_weights=self.keep_weights)


@dataclass(frozen=True)
class ValidateOptions:
    """`validate`, without its `metrics`: evaluation on `dataset.test` every `interval` steps and at the end.

    interval: -1 for never.  save_img: write the enlarged pictures.  window, overlap: frames at once, and frames of
    context on either side; 100, which takes the clips of all common test sets whole, and 10 by default; `all` takes any
    clip whole.  frames: score all frames of a clip, or its middle one.  mirror: run a clip and its reverse as one, and
    take the mean; always whole.  flicker: measure the warping error too.
    Raises ConfigError for numbers that cannot be.
    """

    interval: int = -1
    save_img: bool = False
    window: int | Literal["all"] = 100
    overlap: int | None = None
    frames: Literal["all", "middle"] = "all"
    mirror: bool = False
    flicker: bool = False

    def __post_init__(self) -> None:
        _interval_or_never("validate", interval=self.interval)
        if self.overlap is not None:
            _at_least(0, "validate", overlap=self.overlap)
        if self.window == "all":
            if self.overlap is not None:
                raise ConfigError(f"validate.overlap: {self.overlap} with window: all; whole clips have no neighbours")
            return
        _at_least(1, "validate", window=self.window)
        if self.overlap is not None and 2 * self.overlap >= self.window:
            raise ConfigError(
                f"validate.overlap: windows of {self.window} frames cannot overlap by {self.overlap} on either side; "
                f"window must be at least {2 * self.overlap + 1}, or overlap at most {(self.window - 1) // 2}"
            )


def _at_least(least: int, block: str, **values: Any) -> None:
    for key, value in values.items():
        if value < least:
            raise ConfigError(f"{block}.{key}: expected {least} or more, got {value}")


def _interval_or_never(block: str, **values: Any) -> None:
    for key, value in values.items():
        if value < 1 and value != -1:
            raise ConfigError(f"{block}.{key}: expected a number of steps, or -1 for never, got {value}")


# ---- A config file → an experiment: every node checked against what it names, nothing built yet.

Node = Mapping[str, Any]
T = TypeVar("T")

IGNORED = {  # PaddleGAN's top-level keys that say nothing here, and why
    "find_unused_parameters": "gradients are averaged without DataParallel",
    "checkpoints_dir": "PaddleGAN never read it",
    "use_dataset": "PaddleGAN never read it",
    "min_max": "pictures are always 0..1",
    "image_num": "one picture is shown",
    "enable_visualdl": "scalars go to metrics.jsonl and TensorBoard",
}
BLOCKS = ("model", "dataset", "lr_scheduler", "optimizer", "validate", "log_config", "snapshot_config", "export_model")
FOR_TRAINING = ("model", "dataset.train", "lr_scheduler", "optimizer")
FOR_VALIDATION = ("dataset.test", "validate.metrics")
FOR_EVALUATION = ("model", *FOR_VALIDATION)
FOR_EXPORT = ("model",)


@dataclass(frozen=True)
class Data:
    """A dataset, and the options of its batches (data.loader.LoaderOptions)."""

    dataset: Call
    batches: Any


@dataclass(frozen=True)
class Experiment:
    """A checked config. Calls build what they name; what the file does not have is None.

    name: the file's, without ending.  tree: all of the config, for the log.
    """

    name: str
    tree: Node
    settings: Settings
    log: LogOptions
    snapshot: SnapshotOptions
    validate: ValidateOptions
    task: Call | None
    train: Data | None = None
    test: Data | None = None
    schedule: Call | None = None
    optimizer: Call | None = None
    metrics: Mapping[str, Call] = field(default_factory=dict)
    nets: Sequence[ExportedNet] = ()


def read_experiment(
    path: str | Path, overrides: Sequence[str] = (), *, training: bool = True, needed: Sequence[str] = FOR_EVALUATION
) -> Experiment:
    """Read a config, apply `a.b.0.c=value` overrides, and check every key against what it is for.

    training: whether all that training needs must be there.  needed: what must be there otherwise.
    Raises ConfigError with all mistakes, one a line; PpvsrError without Paddle. No data is looked at.
    """
    tree = load(path, overrides)
    import_paddle()
    reader = _Reader(tree)
    experiment = reader.read(Path(path).stem)
    if training:
        needed = FOR_TRAINING + (FOR_VALIDATION if experiment.validate.interval > 0 else ())
    problems = [*reader.problems, *(f"{key}: missing, and needed here" for key in needed if not reader.has(key))]
    if training and not any(reader.has(key) for key in ("total_iters", "epochs")):
        problems.append("total_iters: missing, and needed here (or `epochs`)")
    refuse([f"{path}: {problem}" for problem in problems or _refused(experiment)])
    return experiment


def _refused(experiment: Experiment) -> Iterator[str]:
    """Yield what the constructors that cost nothing say to their options."""
    for call in (experiment.schedule, experiment.optimizer, *experiment.metrics.values()):
        try:
            if call:
                call(**({"iters_per_epoch": 1} if call.takes("iters_per_epoch") else {}))
        except ConfigError as error:
            yield str(error)
    best, known = (
        experiment.snapshot.best,
        [*experiment.metrics, *([WORST_FRAME] if WORST in experiment.metrics else [])],
    )
    if experiment.validate.interval > 0 and experiment.metrics and best not in (None, *known):
        yield f"snapshot_config.best: there is no metric {best!r}{hint(str(best), known)}"


class _Reader:
    """Reads one tree, and collects its mistakes."""

    def __init__(self, tree: Node) -> None:
        from ppvsr.train import registry  # late: it imports Paddle

        self.tree = tree
        self.catalog = registry
        self.problems: list[str] = []

    def has(self, place: str) -> bool:
        node: Any = self.tree
        for key in place.split("."):
            node = node.get(key) if isinstance(node, Mapping) else None
        return node is not None

    def read(self, name: str) -> Experiment:
        """Return the experiment; where there are problems its parts may be missing."""
        tables = self.catalog
        known = [*(each.name for each in fields(Settings)), *BLOCKS, *IGNORED]
        self.problems += [f"{key}: there is no such key{hint(key, known)}" for key in self.tree if key not in known]
        plain = {key: value for key, value in self.tree.items() if key in known and key not in {*BLOCKS, *IGNORED}}
        data = self._block("dataset")
        for key in data.keys() - {"train", "test"}:
            self.problems.append(f"dataset.{key}: there are `train` and `test`{hint(key, ['train', 'test'])}")
        validate = self._block("validate")
        metrics = self._metrics(validate.get("metrics"))
        return Experiment(
            name=name,
            tree=self.tree,
            settings=self._fill(Settings, plain, "config", Settings()),
            log=self._fill(LogOptions, self._block("log_config"), "log_config", LogOptions()),
            snapshot=self._fill(SnapshotOptions, self._block("snapshot_config"), "snapshot_config", SnapshotOptions()),
            validate=self._fill(
                ValidateOptions, {k: v for k, v in validate.items() if k != "metrics"}, "validate", ValidateOptions()
            ),
            task=self._plan("model", tables.TASKS),
            train=self._data("train"),
            test=self._data("test"),
            schedule=self._plan("lr_scheduler", tables.SCHEDULES, given=["iters_per_epoch"]),
            optimizer=self._plan("optimizer", tables.OPTIMIZERS),
            metrics=metrics,
            nets=read_nets(self.tree.get("export_model"), self.problems),
        )

    def _block(self, key: str) -> Node:
        node = self.tree.get(key)
        if node is not None and not isinstance(node, Mapping):
            self.problems.append(f"{key}: expected a mapping, got {node!r}")
        return node if isinstance(node, Mapping) else {}

    def _fill(self, kind: Callable[..., T], node: Node, where: str, default: T) -> T:
        return fill(kind, node, where, self.problems) or default

    def _plan(self, key: str, table: Mapping[str, Callable[..., Any]], given: Sequence[str] = ()) -> Call | None:
        node = self.tree.get(key)
        return node and plan(node, table, key, self.catalog.NESTED, self.problems, given)

    def _data(self, part: str) -> Data | None:
        """Split a node of `dataset` into the options of its batches and the dataset itself."""
        from ppvsr.data.loader import LoaderOptions  # late: it imports Paddle

        node = self._block("dataset").get(part)
        if node is None:
            return None
        where = f"dataset.{part}"
        split = node if isinstance(node, Mapping) else {}
        ours = [key for key in split if self._is_for_batches(key, split, [each.name for each in fields(LoaderOptions)])]
        batches = self._fill(LoaderOptions, {key: split[key] for key in ours}, where, LoaderOptions())
        rest = {key: value for key, value in split.items() if key not in ours} if split else node
        dataset = plan(rest, self.catalog.DATASETS, where, self.catalog.NESTED, self.problems)
        return Data(dataset, batches) if dataset else None

    def _is_for_batches(self, key: str, node: Node, options: Sequence[str]) -> bool:
        """Whether a key of a data set's node means its batches, perhaps misspelt."""
        factory = self.catalog.DATASETS.get(str(node.get("name")))
        return key in options or bool(factory and not accepts(factory, key) and closest(key, options))

    def _metrics(self, node: Any) -> dict[str, Call]:
        """Plan `{any name: {name: PSNR, ...}, ...}`, or one metric without a name of its own."""
        if isinstance(node, Mapping) and isinstance(node.get("name"), str):
            node = {node["name"].lower(): node}
        if node is not None and not isinstance(node, Mapping):
            self.problems.append(f"validate.metrics: expected a mapping, got {node!r}")
            return {}
        calls = {
            key: plan(each, self.catalog.METRICS, f"validate.metrics.{key}", {}, self.problems)
            for key, each in (node or {}).items()
        }
        return {key: call for key, call in calls.items() if call}
