"""The loop with a stepper that only counts, and with a real one: what it does when, and how it ends."""

import signal
from dataclasses import dataclass

import numpy as np
import paddle
import pytest

from ppvsr.data.loader import Batch
from ppvsr.errors import DataError
from ppvsr.system.ranks import Ranks
from ppvsr.train import checkpoint, snapshots
from ppvsr.train.checkpoint import read_checkpoint
from ppvsr.train.experiment import LogOptions, SnapshotOptions
from ppvsr.train.log import Journal
from ppvsr.train.loop import Diverged, train
from ppvsr.train.losses import CharbonnierLoss
from ppvsr.train.optimizers import adam
from ppvsr.train.step import Stepper
from ppvsr.train.task import basic_vsr
from tests.train.counting import NAME, Counter, ctrl_c, events, fail, files, run, scores, value


def test_a_run_takes_all_its_steps_and_writes_at_its_intervals(tmp_path, capsys):
    seen = []
    validate = scores(30.0, 31.0)
    options = {"validate": lambda step: seen.append(step) or validate(step), "validate_interval": 4}
    assert run(tmp_path, snapshot=SnapshotOptions(interval=4), log=LogOptions(2, visual_interval=3), **options) == 6
    assert seen == [4, 6]
    weights = ["best_weight.pdparams", "iter_4_weight.pdparams", "iter_6_weight.pdparams"]
    assert files(tmp_path) == sorted([*weights, "iter_6_checkpoint.pdparams"])
    state = read_checkpoint(tmp_path / "iter_6_checkpoint.pdparams")
    assert state.step == 6 and state.weights[NAME].item() == 6
    best = {"metric": "psnr", "value": 31.0, "step": 6}
    assert {key: state.facts[key] for key in ("seed", "best", "skipped")} == {"seed": 7, "best": best, "skipped": 0}
    assert [event["step"] for event in events(tmp_path, "train")] == [2, 4, 6]
    assert files(tmp_path / "visual_train", "*") == [
        f"iter{step}_{name}.png" for step in (3, 6) for name in ("gt", "lq", "output")
    ]
    assert "Iter: 2/6 lr: 2.000e-04 loss_pix: 0.500 batch_cost: " in capsys.readouterr().out


def test_the_last_step_is_validated_once(tmp_path):
    seen = []
    run(tmp_path, validate=lambda step: seen.append(step) or scores(1.0)(step), validate_interval=3)
    assert seen == [3, 6]


def test_never_validating_means_not_at_the_end_either(tmp_path):
    run(tmp_path, validate=scores(), validate_interval=-1)
    assert events(tmp_path, "validate") == []


def test_steps_that_are_not_finite_are_counted_and_named(tmp_path):
    run(tmp_path, Counter(bad=[2, 3, 5]), nan_streak=3, skipped=10)
    assert [(event["step"], event["streak"]) for event in events(tmp_path, "skip")] == [(2, 1), (3, 2), (5, 1)]
    state = read_checkpoint(tmp_path / "iter_6_checkpoint.pdparams")
    assert state.facts["skipped"] == 13 and state.weights[NAME].item() == 3
    assert (
        "WARNING: step 3 is left out: loss or gradient not finite (2 in a row); clips clip3a, clip3b"
        in (tmp_path / "log.txt").read_text()
    )


def test_a_streak_that_is_not_finite_ends_the_run_and_leaves_the_files(tmp_path):
    message = r"steps 3 to 5: .* 3 times in a row, with the clips clip3a, .*, clip5a.*before step 3 with --resume FILE"
    with pytest.raises(Diverged, match=message):
        run(tmp_path, Counter(bad=[3, 4, 5]), nan_streak=3, snapshot=SnapshotOptions(interval=2))
    assert files(tmp_path, "*checkpoint*") == ["iter_2_checkpoint.pdparams", "iter_4_checkpoint.pdparams"]  # 2 is good


def test_ctrl_c_inside_a_step_ends_it_and_saves_the_true_number(tmp_path, capsys):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Counter(acts={3: ctrl_c}))
    assert files(tmp_path) == ["iter_3_checkpoint.pdparams"]
    assert value(tmp_path, "iter_3_checkpoint.pdparams") == 3
    assert "again to stop at once" in capsys.readouterr().out


def test_ctrl_c_while_waiting_for_data_saves_the_steps_done(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, first=21, total=30, stepper=Counter(value=20), acts={24: ctrl_c})
    assert files(tmp_path) == ["iter_23_checkpoint.pdparams"]
    assert value(tmp_path, "iter_23_checkpoint.pdparams") == 23


def test_ctrl_c_before_the_first_step_writes_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, first=21, total=30, acts={21: ctrl_c})
    assert files(tmp_path) == []


def test_a_second_ctrl_c_inside_a_step_ends_at_once_without_half_a_step(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Counter(inside={3: lambda: [ctrl_c(), ctrl_c()]}), snapshot=SnapshotOptions(interval=2))
    assert files(tmp_path, "*checkpoint*") == ["iter_2_checkpoint.pdparams"]
    assert "ended inside step 3, so there is no newer checkpoint" in (tmp_path / "log.txt").read_text()


def test_ctrl_c_while_saving_waits_for_the_file(tmp_path, monkeypatch):
    write = checkpoint.write_checkpoint
    monkeypatch.setattr(snapshots, "write_checkpoint", lambda *given: [ctrl_c(), write(*given)][1])
    with pytest.raises(KeyboardInterrupt):  # the first comes inside the step, the second inside the saving
        run(tmp_path, Counter(acts={3: ctrl_c}))
    assert files(tmp_path, "*") == ["iter_3_checkpoint.pdparams", "log.txt", "metrics.jsonl"]
    assert value(tmp_path, "iter_3_checkpoint.pdparams") == 3


def test_terminating_handlers_of_the_caller_are_kept(tmp_path):
    before = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    run(tmp_path, total=1)
    assert {name: signal.getsignal(name) for name in before} == before
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as the command line does
    try:
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, Counter(acts={2: lambda: signal.raise_signal(signal.SIGTERM)}))
    finally:
        signal.signal(signal.SIGTERM, before[signal.SIGTERM])
    assert "iter_2_checkpoint.pdparams" in files(tmp_path)


@dataclass(frozen=True)
class Pair(Ranks):
    """One of two ranks, the other one of which was interrupted or not."""

    rank: int = 1
    world: int = 2
    interrupted: bool = False

    def total(self, array):
        return np.asarray(array, np.float64) + self.interrupted


def test_ranks_stop_together_and_only_rank_0_writes(tmp_path):
    for rank, expected in ((0, ["iter_1_checkpoint.pdparams"]), (1, [])):
        folder = tmp_path / str(rank)
        folder.mkdir()
        with pytest.raises(KeyboardInterrupt):
            run(folder, ranks=Pair(rank=rank, interrupted=True))
        assert files(folder) == expected
    with pytest.raises(KeyboardInterrupt):  # between two steps a rank does not leave alone
        run(folder, Counter(), ranks=Pair(), acts={3: ctrl_c}, validate=(seen := []).append, validate_interval=-1)
    assert run(folder, ranks=Pair()) == 6
    assert list(folder.iterdir()) == [] and seen == []


def test_damaged_data_and_a_full_device_leave_a_checkpoint_but_half_an_update_does_not(tmp_path):
    with pytest.raises(DataError, match=r"a\.png"):
        run(tmp_path, acts={4: fail(DataError("a.png: damaged"))})
    assert files(tmp_path) == ["iter_3_checkpoint.pdparams"]
    with pytest.raises(MemoryError):
        run(tmp_path, first=4, stepper=Counter(acts={6: fail(MemoryError())}, value=3))
    saved = ["iter_3_checkpoint.pdparams", "iter_5_checkpoint.pdparams"]
    assert files(tmp_path) == saved and value(tmp_path, saved[1]) == 5
    with pytest.raises(MemoryError):
        run(tmp_path, first=6, total=9, stepper=Counter(inside={8: fail(MemoryError())}, value=5))
    assert files(tmp_path) == saved


def test_a_validation_that_did_not_end_is_made_up_for_after_resuming(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, snapshot=SnapshotOptions(interval=3), validate=lambda step: ctrl_c(), validate_interval=3)
    assert read_checkpoint(tmp_path / "iter_3_checkpoint.pdparams").facts["validated"] is None
    seen = []

    def validate(step):
        seen.append(step)
        return scores(30.0)(step)

    options = {"snapshot": SnapshotOptions(interval=3), "validate": validate, "validate_interval": 3}
    run(tmp_path, first=4, stepper=Counter(value=3), **options)
    assert seen == [3, 6] and read_checkpoint(tmp_path / "iter_6_checkpoint.pdparams").facts["validated"] == 6
    run(tmp_path, first=7, stepper=Counter(value=6), validated=6, **options)  # all is done
    assert seen == [3, 6]


@pytest.mark.parametrize("snapshot, expected", [(4, {4: 4}), (3, {3: 3, 4: 4})])
def test_a_validation_that_is_cut_off_spoils_no_checkpoint(tmp_path, snapshot, expected):
    stepper = Counter()

    def validate(step):
        stepper.value = 99  # as with half of the averaged weights swapped in
        ctrl_c()

    with pytest.raises(KeyboardInterrupt):
        options = SnapshotOptions(interval=snapshot, keep=5)
        run(tmp_path, stepper, snapshot=options, validate=validate, validate_interval=4)
    found = {step: value(tmp_path, f"iter_{step}_checkpoint.pdparams") for step in expected}
    assert found == expected and len(files(tmp_path, "*checkpoint*")) == len(expected)


def test_batches_that_end_early_are_our_mistake_and_lose_nothing(tmp_path):
    with (
        Journal(tmp_path, total=5, tensorboard=False, memory=dict) as book,
        pytest.raises(AssertionError, match="step 3"),
    ):
        batches = [[Batch(lq=None, gt=None, keys=["a"])]] * 2
        options = {"log": LogOptions(), "snapshot": SnapshotOptions(100), "validate": None, "validate_interval": -1}
        train(Counter(), batches, first=1, total=5, folder=tmp_path, journal=book, **options)
    assert files(tmp_path) == ["iter_2_checkpoint.pdparams"]


class Frame(paddle.nn.Layer):
    """A network of one layer: (b, t, 3, h, w) to the same."""

    def __init__(self):
        super().__init__()
        self.conv_in = paddle.nn.Conv2D(3, 3, 3, padding=1)

    def forward(self, lq):
        return (self.conv_in(lq.flatten(0, 1)).reshape(lq.shape),)


def real_stepper():
    paddle.seed(3)
    task = basic_vsr(generator=Frame(), pixel_criterion=CharbonnierLoss(reduction="mean"))
    return Stepper(task, adam(), lambda step: 1e-2, ema_decay=0.5)


def real_batches(first, acts=None):
    for step in range(first, 100):
        (acts or {}).get(step, lambda: None)()
        pixels = np.random.default_rng(step).integers(0, 256, (2, 1, 2, 3, 8, 8), np.uint8)
        yield [Batch(lq=paddle.to_tensor(pixels[0]), gt=paddle.to_tensor(pixels[1]), keys=[str(step)])]


def real_run(folder, stepper, batches, first=1):
    options = {"log": LogOptions(2, visual_interval=3), "snapshot": SnapshotOptions(100)}
    with Journal(folder, total=6, first=first, memory=dict) as book:
        train(
            stepper,
            batches,
            first=first,
            total=6,
            folder=folder,
            journal=book,
            validate=None,
            validate_interval=-1,
            **options,
        )
    return read_checkpoint(folder / "iter_6_checkpoint.pdparams")


def test_an_interrupted_run_that_goes_on_ends_as_if_nothing_had_been(tmp_path):
    for name in ("straight", "broken"):
        (tmp_path / name).mkdir()
    straight = real_run(tmp_path / "straight", real_stepper(), real_batches(1))
    with pytest.raises(KeyboardInterrupt):
        real_run(tmp_path / "broken", real_stepper(), real_batches(1, {4: ctrl_c}))
    again, state = real_stepper(), read_checkpoint(tmp_path / "broken" / "iter_3_checkpoint.pdparams")
    again.restore(state)
    broken = real_run(tmp_path / "broken", again, real_batches(state.step + 1), first=state.step + 1)
    assert broken.facts == straight.facts
    for part in ("weights", "optimizer", "ema"):
        ours, theirs = getattr(broken, part), getattr(straight, part)
        assert ours.keys() == theirs.keys() and ours
        for name in ours:
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    assert [event["step"] for event in events(tmp_path / "broken", "train")] == [2, 4, 6]
    losses = [[event["losses"] for event in events(tmp_path / name, "train")] for name in ("straight", "broken")]
    assert losses[0] == losses[1]
