"""A whole tree of nodes is checked before anything is built, and all its mistakes are found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import pytest

from ppvsr.config.build import Call, check, fill, plan, refuse
from ppvsr.errors import ConfigError

built: list[str] = []


class Step(Protocol):
    def __call__(self) -> None: ...


@dataclass(frozen=True)
class Crop:
    scale: int
    gt_patch_size: int = 256

    def __post_init__(self) -> None:
        built.append("Crop")
        if self.gt_patch_size % self.scale:
            raise ValueError(f"gt_patch_size: {self.gt_patch_size} is no multiple of scale ({self.scale})")


@dataclass(frozen=True)
class Flip:
    prob: float = 0.5


@dataclass(frozen=True)
class Transforms:
    pipeline: Sequence[Step]
    input_keys: Sequence[Literal["lq", "gt"]] = ("lq", "gt")


@dataclass(frozen=True)
class Read:
    key: Literal["lq", "gt"]


class Reds:
    def __init__(self, *, folder: str, preprocess: Sequence[Step], degradation: Step | None = None):
        self.folder, self.preprocess, self.degradation = folder, preprocess, degradation


@dataclass(frozen=True)
class Repeat:
    dataset: Reds
    times: int = 1


class Net:
    def __init__(self, *, mid_channels: int = 64):
        if mid_channels % 4:
            raise ConfigError(f"mid_channels: {mid_channels} is no positive multiple of 4")
        self.mid_channels = mid_channels


def task(*, generator: Net, pixel_criterion: Any, fix_iter: int | bool = 0) -> tuple[Net, Any, int]:
    return generator, pixel_criterion, int(fix_iter)


def decay(*, learning_rate: float, iters_per_epoch: int) -> tuple[float, int]:
    return learning_rate, iters_per_epoch


TASKS = {"Task": task}
DATASETS = {"Reds": Reds, "Repeat": Repeat}
SCHEDULES = {"Decay": decay}
NESTED = {
    "generator": {"Net": Net},
    "pixel_criterion": {"Flip": Flip},
    "dataset": DATASETS,
    "preprocess": {"Read": Read, "Transforms": Transforms},
    "pipeline": {"Crop": Crop, "Flip": Flip},
    "degradation": {"Flip": Flip},
}


def reds(**changes):
    pipeline = [{"name": "Crop", "scale": 4}, {"name": "Flip"}]
    node = {
        "name": "Reds",
        "folder": "data",
        "preprocess": [{"name": "Read", "key": "lq"}, {"name": "Transforms", "pipeline": pipeline}],
    }
    return {**node, **changes}


def problems_of(node, table, where="dataset.train", given=()):
    problems: list[str] = []
    assert plan(node, table, where, NESTED, problems, given) is None
    return problems


def test_nothing_is_built_before_the_call_and_then_everything():
    built.clear()
    problems: list[str] = []
    call = plan({"name": "Repeat", "times": 3, "dataset": reds()}, DATASETS, "dataset.train", NESTED, problems)
    assert problems == []
    assert built == []
    repeat = call()
    assert built == ["Crop"]
    assert (repeat.times, repeat.dataset.folder) == (3, "data")
    assert repeat.dataset.preprocess == [Read("lq"), Transforms([Crop(4), Flip()])]


def test_each_call_builds_anew():
    call = plan({"name": "Repeat", "dataset": reds()}, DATASETS, "d", NESTED, [])
    assert call().dataset is not call().dataset


def test_arguments_of_the_call_win_over_those_of_the_config():
    node = {"name": "Decay", "learning_rate": 1e-3, "iters_per_epoch": 5}
    assert plan(node, SCHEDULES, "lr_scheduler", {}, [])(iters_per_epoch=9) == (1e-3, 9)


def test_arguments_that_are_given_later_are_not_missing():
    node = {"name": "Decay", "learning_rate": 1e-3}
    assert problems_of(node, SCHEDULES, "lr_scheduler") == ["lr_scheduler: decay needs `iters_per_epoch`"]
    call = plan(node, SCHEDULES, "lr_scheduler", {}, [], given=["iters_per_epoch", "unheard_of"])
    assert call(iters_per_epoch=9) == (1e-3, 9)
    assert call.takes("iters_per_epoch")
    assert not call.takes("unheard_of")


def test_all_mistakes_of_all_depths_are_found():
    node = {
        "name": "Repeat",
        "time": 3,
        "dataset": reds(
            folder=5,
            preprocess=[
                {"name": "Read", "key": "x"},
                {"name": "Transform", "pipeline": [{"name": "Crp"}]},
                {"name": "Transforms", "pipeline": [{"name": "Crop", "scales": 4}, 7]},
            ],
        ),
    }
    assert problems_of(node, DATASETS) == [
        "dataset.train.dataset.preprocess[0].key: expected Literal['lq', 'gt'], got 'x'",
        "dataset.train.dataset.preprocess[1].name: unknown 'Transform'; did you mean 'Transforms'?",
        "dataset.train.dataset.preprocess[1].pipeline[0].name: unknown 'Crp'; did you mean 'Crop'?",
        "dataset.train.dataset.preprocess[2].pipeline[0].scales: Crop has no such option; did you mean 'scale'?",
        "dataset.train.dataset.preprocess[2].pipeline[0]: Crop needs `scale`",
        "dataset.train.dataset.preprocess[2].pipeline[1]: expected a mapping with a `name`, got 7",
        "dataset.train.dataset.folder: expected str, got 5",
        "dataset.train.time: Repeat has no such option; did you mean 'times'?",
    ]


def test_a_wrong_inner_node_is_named_once():
    assert problems_of({"name": "Task", "generator": {"name": "Net", "mid_channel": 3}}, TASKS, "model") == [
        "model.generator.mid_channel: Net has no such option; did you mean 'mid_channels'?",
        "model: task needs `pixel_criterion`",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preprocess": {"name": "Read"}}, "preprocess: expected a list of mappings with a `name` each, got {'name'"),
        ({"preprocess": "Read"}, "preprocess: expected a list of mappings with a `name` each, got 'Read'"),
        ({"preprocess": None}, "preprocess: expected a list of mappings with a `name` each, got None"),
        ({"degradation": 3}, "degradation: expected a mapping with a `name`, got 3"),
        ({"degradation": [{"name": "Flip"}]}, r"degradation: expected a mapping with a `name`, got \["),
        ({"degradation": {"name": ["Flip"]}}, r"degradation.name: unknown \['Flip'\]"),
        ({"dataset": reds()}, "dataset: Reds has no such option"),
    ],
)
def test_keys_that_hold_nodes_hold_nothing_else(change, message):
    problems = problems_of(reds(**change), DATASETS, "data")
    with pytest.raises(ConfigError, match=message):
        refuse(problems)
    assert len(problems) == 1


def test_nothing_may_stand_for_an_optional_node():
    assert plan(reds(degradation=None), DATASETS, "data", NESTED, [])().degradation is None
    call = plan(reds(degradation={"name": "Flip"}), DATASETS, "data", NESTED, [])
    assert call().degradation == Flip()


def test_what_a_constructor_refuses_has_its_place():
    pipeline = [{"name": "Crop", "scale": 3}]
    node = reds(preprocess=[{"name": "Transforms", "pipeline": pipeline}])
    call = plan({"name": "Repeat", "dataset": node}, DATASETS, "dataset.train", NESTED, [])
    place = r"^dataset.train.dataset.preprocess\[0\].pipeline\[0\]"
    with pytest.raises(ConfigError, match=rf"{place}: gt_patch_size: 256 is no multiple of scale \(3\)$"):
        call()
    net = Call(Net, {"mid_channels": 3}, "model.generator")
    with pytest.raises(ConfigError, match=r"^model.generator: mid_channels: 3 is no positive multiple of 4$"):
        Call(task, {"generator": net, "pixel_criterion": None}, "model")()


def test_the_tree_stays_as_it_is():
    node = reds()
    plan(node, DATASETS, "data", NESTED, [])()
    assert node == reds()


@dataclass(frozen=True)
class Options:
    interval: int
    visual_interval: int | None = None

    def __post_init__(self) -> None:
        if self.interval < 1:
            raise ConfigError(f"interval: expected 1 or more, got {self.interval}")


@pytest.mark.parametrize(
    ("node", "messages"),
    [
        ({"interval": 3}, []),
        ({}, ["log_config: Options needs `interval`"]),
        (None, ["log_config: Options needs `interval`"]),
        ([1], ["log_config: expected a mapping, got [1]"]),
        ({"interval": 0}, ["log_config: interval: expected 1 or more, got 0"]),
        (
            {"intervall": "x", "visual_interval": "y"},
            [
                "log_config.intervall: Options has no such option; did you mean 'interval'?",
                "log_config.visual_interval: expected int | None, got 'y'",
                "log_config: Options needs `interval`",
            ],
        ),
    ],
)
def test_options_are_a_dataclass_checked_like_a_node(node, messages):
    problems: list[str] = []
    options = fill(Options, node, "log_config", problems)
    assert problems == messages
    assert options == (None if messages else Options(3))


def kinds(
    *,
    pair: tuple[float, float] = (0, 1),
    many: tuple[int, ...] = (),
    table: Mapping[str, int] | None = None,
    free: Callable[[], None] | None = None,
    step: Step | None = None,
    flag: Literal[-1, False] = -1,
) -> None: ...


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"pair": [0, 1.5]}, []),
        ({"pair": [0, 1, 2]}, ["pair"]),
        ({"pair": ["a", 1]}, ["pair"]),
        ({"many": [1, 2, 3]}, []),
        ({"many": []}, []),
        ({"many": [1.5]}, ["many"]),
        ({"table": {"a": 1}}, []),
        ({"table": 3}, ["table"]),
        ({"step": 3}, []),  # a protocol says nothing about YAML's values
        ({"flag": False}, []),
        ({"flag": 0}, ["flag"]),
        ({"flag": -1}, []),
        ({"pair": None, "many": "x"}, ["pair", "many"]),
    ],
)
def test_values_are_judged_by_the_annotation(options, wrong):
    assert [problem.partition(":")[0] for problem in check(kinds, options, "x")] == [f"x.{key}" for key in wrong]
