import errno
import os
import pickle
from dataclasses import replace

import numpy as np
import paddle
import pytest

from ppvsr.errors import WeightsError
from ppvsr.system import files as atomic
from ppvsr.train.checkpoint import State, newest, read_checkpoint, rotate, write_checkpoint, write_weights
from ppvsr.weights.files import read
from tests.train.nets import same, same_state

NAME = "iter_7_checkpoint.pdparams"


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def a_state(step=7, **changes):
    names = ("feat_extract.conv_in.weight", "feat_extract.blocks.0.conv1.weight", "spynet.levels.0.conv1.weight")
    weights = {name: numbers(2, 3, seed=i) for i, name in enumerate(names)}
    state = State(
        step,
        weights,
        {f"{names[0]}.moment1": numbers(2, 3), f"{names[0]}.beta1_pow_acc": numbers(1)},
        {name: value + 1 for name, value in weights.items()},
        {"seed": 3, "best": {"metric": "psnr", "value": 31.25, "step": 5}, "scaler": None},
    )
    return replace(state, **changes)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def aged(path, seconds):
    """Let a file be older, so that no test depends on how finely the disk tells times apart."""
    os.utime(path, ns=(path.stat().st_mtime_ns - seconds * 10**9,) * 2)
    return path


@pytest.mark.parametrize(
    "changes", [{}, {"ema": None, "optimizer": {}, "facts": {}}, {"facts": {"best": float("inf")}}]
)
def test_what_was_written_is_read(changes, tmp_path):
    state = a_state(**changes)
    path = write_checkpoint(tmp_path, state)
    found = read_checkpoint(path)
    assert path.name == NAME and files(tmp_path) == [NAME]
    assert same_state(found, state) and found.where == str(path)


def test_paddlegan_can_read_it(tmp_path):
    state = a_state()
    with write_checkpoint(tmp_path, state).open("rb") as file:
        tree = pickle.load(file, encoding="latin1")
    assert tree["epoch"] == 7
    assert sorted(tree["generator"]) == [
        "feat_extract.ResidualBlocks.block0.conv1.weight", "feat_extract.covn1.weight",
        "spynet.basic_module0.conv1.weight",
    ]  # fmt: skip
    assert (tree["generator"]["feat_extract.covn1.weight"] == state.weights["feat_extract.conv_in.weight"]).all()


def test_paddle_can_read_it(tmp_path):
    state = a_state()
    tree = paddle.load(str(write_checkpoint(tmp_path, state)), return_numpy=True)
    assert (tree["generator"]["feat_extract.covn1.weight"] == state.weights["feat_extract.conv_in.weight"]).all()


def test_it_serves_as_weight_file(tmp_path):
    """video-enhance opens it: the averaged weights, as in weight files, not the moments."""
    state = a_state()
    arrays = read(write_checkpoint(tmp_path, state))
    assert len(arrays) == len(state.weights)
    assert (arrays["feat_extract.covn1.weight"] == state.ema["feat_extract.conv_in.weight"]).all()


def test_no_name_of_numpy_2_is_in_it(tmp_path):
    assert b"numpy._core" not in write_checkpoint(tmp_path, a_state()).read_bytes()


@pytest.mark.parametrize("label", ["iter_12", "best"])
def test_weights_are_written_under_paddlegans_names(label, tmp_path):
    state = a_state()
    for arrays in (state.ema, state.weights):  # the second time over the first
        path = write_weights(tmp_path, label, arrays)
    assert path.name == f"{label}_weight.pdparams" and files(tmp_path) == [path.name]
    with path.open("rb") as file:
        tree = pickle.load(file, encoding="latin1")
    assert (tree["generator"]["feat_extract.covn1.weight"] == state.weights["feat_extract.conv_in.weight"]).all()


def test_a_checkpoint_of_paddlegan_comes_without_moments(tmp_path):
    path = tmp_path / NAME
    weight, automatic = numbers(2, 2), {"conv2d_0.w_0_moment1_0": numbers(2, 2), "LR_Scheduler": {"last_lr": 0.1}}
    path.write_bytes(pickle.dumps({"generator": {"covn1.weight": weight}, "optim": automatic, "epoch": 30}, protocol=2))
    state = read_checkpoint(path)
    assert state.step == 30 and same(state.weights, {"conv_in.weight": weight})
    assert state.optimizer == {} and "without the moments" in state.facts["origin"]


def test_a_weight_file_is_no_checkpoint(tmp_path):
    path = write_weights(tmp_path, "iter_5", a_state().weights)
    with pytest.raises(WeightsError, match=r"iter_5_weight.pdparams: is a weight file.*use --load"):
        read_checkpoint(path)


def test_a_checkpoint_that_was_cut_short_is_refused(tmp_path):
    path = write_checkpoint(tmp_path, a_state())
    data = path.read_bytes()
    for length in (0, 1, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(WeightsError, match=NAME):
            read_checkpoint(path)


def test_a_hostile_checkpoint_is_refused_and_not_run(tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "was run"),)

    path = tmp_path / NAME
    path.write_bytes(pickle.dumps({"generator": {"w": numbers(2)}, "epoch": 3, "optim": Hostile()}, protocol=2))
    with pytest.raises(WeightsError, match=r"refused, it wants to call .*mkdir"):
        read_checkpoint(path)
    assert files(tmp_path) == [NAME]


@pytest.mark.parametrize(("facts", "match"), [("{", "no JSON"), (5, "no JSON"), ("[1]", "no mapping")])
def test_damaged_facts_are_refused(facts, match, tmp_path):
    path = tmp_path / NAME
    path.write_bytes(pickle.dumps({"generator": {"w": numbers(2)}, "epoch": 3, "ppvsr": facts}, protocol=2))
    with pytest.raises(WeightsError, match=f"{NAME}: damaged, its entry `ppvsr` is {match}"):
        read_checkpoint(path)


@pytest.mark.parametrize("when", ["writing", "syncing", "renaming"])
def test_a_full_disk_leaves_the_old_checkpoint(when, tmp_path, monkeypatch):
    state = a_state()
    path = write_checkpoint(tmp_path, state)
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    if when == "writing":
        monkeypatch.setattr("ppvsr.train.checkpoint.write_pickle", lambda tree, file: (file.write(b"half"), full()))
    else:
        name, place = {"syncing": ("fsync", atomic.os), "renaming": ("replace", atomic.Path)}[when]
        monkeypatch.setattr(place, name, full)
    with pytest.raises(WeightsError, match=rf"^\S*{NAME}: cannot be written: No space left on device$"):
        write_checkpoint(tmp_path, a_state(facts={"seed": 4}))
    monkeypatch.undo()
    assert files(tmp_path) == [NAME] and path.read_bytes() == before


def test_a_folder_that_is_gone_is_named(tmp_path):
    with pytest.raises(WeightsError, match=rf"gone/{NAME}: cannot be written: No such file"):
        write_checkpoint(tmp_path / "gone", a_state())


def test_the_last_checkpoints_are_kept(tmp_path):
    for step in (1, 2, 10):
        aged(write_checkpoint(tmp_path, a_state(step)), 20 - step)
    write_weights(tmp_path, "iter_1", a_state().weights)
    rotate(tmp_path, 2)
    assert files(tmp_path) == [
        "iter_10_checkpoint.pdparams", "iter_1_weight.pdparams", "iter_2_checkpoint.pdparams",
    ]  # fmt: skip
    rotate(tmp_path, 1)
    assert files(tmp_path) == ["iter_10_checkpoint.pdparams", "iter_1_weight.pdparams"]


def test_a_damaged_checkpoint_removes_no_older_one(tmp_path):
    for step in (1, 2, 3):
        aged(write_checkpoint(tmp_path, a_state(step)), 20 - step)
    damaged = tmp_path / "iter_3_checkpoint.pdparams"
    damaged.write_bytes(damaged.read_bytes()[:-10])
    rotate(tmp_path, 1)
    assert files(tmp_path) == ["iter_2_checkpoint.pdparams", "iter_3_checkpoint.pdparams"]


def test_checkpoints_of_a_future_that_was_left_stay(tmp_path):
    for step, age in ((1, 9), (2, 8), (5, 7), (3, 0)):  # resumed after step 2, though there was a step 5
        aged(write_checkpoint(tmp_path, a_state(step)), age)
    rotate(tmp_path, 1)
    assert files(tmp_path) == ["iter_3_checkpoint.pdparams", "iter_5_checkpoint.pdparams"]


def test_the_newest_complete_checkpoint_of_a_config_is_found(tmp_path):
    folders = [tmp_path / name for name in ("net-2026-01-01-00-00", "net-2026-01-02-00-00", "nets-2026-01-03-00-00")]
    for folder, step, age in zip((*folders, folders[1]), (90, 10, 11, 12), (3, 2, 0, 1), strict=True):
        folder.mkdir(exist_ok=True)
        aged(write_checkpoint(folder, a_state(step)), 10 * age)
    last = folders[1] / "iter_12_checkpoint.pdparams"
    assert newest(tmp_path, "net") == last
    age = last.stat()
    last.write_bytes(last.read_bytes()[:-1])
    os.utime(last, ns=(age.st_atime_ns, age.st_mtime_ns))
    assert newest(tmp_path, "net") == folders[1] / "iter_10_checkpoint.pdparams"
    assert newest(tmp_path, "other") is None and newest(tmp_path / "none", "net") is None


def test_a_config_whose_name_begins_alike_has_runs_of_its_own(tmp_path):
    other = tmp_path / "basicvsr_reds-finetune-2026-01-01-10-00"
    other.mkdir()
    write_checkpoint(other, a_state())
    assert newest(tmp_path, "basicvsr_reds") is None
    mine = tmp_path / "basicvsr_reds-2026-01-01-10-00-2"
    mine.mkdir()
    assert newest(tmp_path, "basicvsr_reds") is None
    assert newest(tmp_path, "basicvsr_reds-finetune") is not None
    path = write_checkpoint(mine, a_state())
    assert newest(tmp_path, "basicvsr_reds") == path
