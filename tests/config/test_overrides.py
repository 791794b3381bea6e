"""`-o key=value` from the command line."""

from copy import deepcopy

import pytest

from ppvsr.config.yaml import override
from ppvsr.errors import ConfigError

TREE = {
    "total_iters": 100,
    "log_config": {"interval": 10, "visual_interval": 5},
    "dataset": {"train": {"preprocess": [{"name": "Read"}, {"name": "Crop", "size": 4, "pipeline": [{"p": 1}]}]}},
    "validate": {"metrics": {"psnr": {"name": "PSNR"}}},
}


@pytest.mark.parametrize(
    ("assignment", "path", "value"),
    [
        ("total_iters=200", ["total_iters"], 200),
        ("log_config.visiual_interval=7", ["log_config", "visual_interval"], 7),
        ("dataset.train.preprocess.1.size=8", ["dataset", "train", "preprocess", 1, "size"], 8),
        ("dataset.train.preprocess.1.pipeline.0.p=x", ["dataset", "train", "preprocess", 1, "pipeline", 0, "p"], "x"),
        ("dataset.train.preprocess.0={name: Other}", ["dataset", "train", "preprocess", 0], {"name": "Other"}),
        ("log_config={interval: 1, visiual_interval: 2}", ["log_config"], {"interval": 1, "visual_interval": 2}),
        ("total_iters=1e-4", ["total_iters"], 1e-4),
        ("total_iters=", ["total_iters"], None),
        ("total_iters=a=b", ["total_iters"], "a=b"),
        ("total_iters=(0., 1.)", ["total_iters"], "(0., 1.)"),
        ("total_iters='5'", ["total_iters"], "5"),
        ("seed=3", ["seed"], 3),
        ("log_config.new=3", ["log_config", "new"], 3),
    ],
)
def test_a_value_is_put_in_its_place(assignment, path, value):
    before = deepcopy(TREE)
    found = override(TREE, [assignment])
    for key in path:
        found = found[key]
    assert found == value
    assert before == TREE


def test_later_assignments_see_earlier_ones():
    assert override({}, ["a={b: 1}", "a.c=2", "a.b=3"]) == {"a": {"b": 3, "c": 2}}


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("total_iters", "^-o total_iters: expected key=value, such as -o model.generator.mid_channels=64$"),
        ("=3", "^-o =3: expected key=value"),
        ("log_config..interval=3", "expected key=value"),
        ("log_confg.interval=3", "^-o log_confg.interval: there is no 'log_confg' here; did you mean 'log_config'[?]$"),
        ("validate.metrics.pnsr.crop_border=4", "there is no 'pnsr' here; did you mean 'psnr'[?]"),
        (
            "validate.zzz.interval=3",
            r"no 'zzz' here \(known: metrics\); a new mapping comes as a whole, zzz='\{interval: ...\}'",
        ),
        ("dataset.train.preprocess.2.size=8", "'2' is no place in this list; it has 0 to 1"),
        ("dataset.train.preprocess.-1.size=8", "'-1' is no place in this list"),
        ("dataset.train.preprocess.size=8", "'size' is no place in this list"),
        ("total_iters.x=8", "there is nothing inside 100, so no 'x'"),
        ("total_iters=[1", r"^-o total_iters, line 1, column 3: expected ',' or '\]'"),
        ("total_iters={a: 1, a: 2}", "the key 'a' occurs twice"),
    ],
)
def test_a_wrong_assignment_is_named(assignment, message):
    with pytest.raises(ConfigError, match=message):
        override(TREE, [assignment])


def test_all_wrong_assignments_are_named_at_once():
    with pytest.raises(ConfigError) as caught:
        override(TREE, ["x", "total_iters=1", "total_iters.x=1", "log_confg.interval=3"])
    assert len(str(caught.value).splitlines()) == 3
