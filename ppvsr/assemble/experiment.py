"""A config file → an experiment: every node checked against what it names, nothing built yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from ppvsr.assemble.nets import ExportedNet, read_nets
from ppvsr.assemble.settings import Settings
from ppvsr.config.build import Call, fill, hint, plan, refuse
from ppvsr.config.signature import accepts, closest
from ppvsr.config.tree import load
from ppvsr.errors import ConfigError
from ppvsr.framework import import_paddle
from ppvsr.train.evaluate import WORST
from ppvsr.train.options import WORST_FRAME, LogOptions, SnapshotOptions, ValidateOptions

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
        from ppvsr import catalog  # late: it imports Paddle

        self.tree = tree
        self.catalog = catalog
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
