"""Which weights and checkpoints are written and kept, and what happens when the disk refuses."""

import pytest

from ppvsr.errors import WeightsError
from ppvsr.evaluate.evaluate import ClipScore, Scores
from ppvsr.train import checkpoint, snapshots
from ppvsr.train.checkpoint import read_checkpoint
from ppvsr.train.experiment import SnapshotOptions
from tests.train.counting import Counter, ctrl_c, events, fail, files, run, scores


def test_best_weights_follow_the_metric_and_a_resumed_run_knows_it(tmp_path):
    snapshot = SnapshotOptions(interval=2)
    run(tmp_path, snapshot=snapshot, validate=scores(30.0, 31.0, float("nan")), validate_interval=2)
    saved = [event["step"] for event in events(tmp_path, "save") if event["file"] == "best_weight.pdparams"]
    assert saved == [2, 4]
    best = read_checkpoint(tmp_path / "iter_6_checkpoint.pdparams").facts["best"]
    assert best == {"metric": "psnr", "value": 31.0, "step": 4}
    options = {"snapshot": snapshot, "validate_interval": 2, "first": 7, "total": 10, "best": best, "validated": 6}
    run(tmp_path, validate=scores(30.9, 31.5), **options)
    saved = [event["step"] for event in events(tmp_path, "save") if event["file"] == "best_weight.pdparams"]
    assert saved == [2, 4, 10]


def test_the_worst_frame_can_decide_which_weights_are_best(tmp_path):
    """The mean rises from 30 to 32, while the worst frame falls from 29 to 12."""

    def validate(step):
        by_frame = {0: 31.0, 7: 29.0} if step == 2 else {0: 52.0, 7: 12.0}
        score = ClipScore("ducks", 2, {"psnr": sum(by_frame.values()) / 2}, 0.1, by_frame)
        return Scores((score,), score.values, 0)

    snapshot = SnapshotOptions(interval=2, best="psnr_worst")
    run(tmp_path, snapshot=snapshot, validate=validate, validate_interval=2)
    best = read_checkpoint(tmp_path / "iter_6_checkpoint.pdparams").facts["best"]
    assert best == {"metric": "psnr_worst", "value": 29.0, "step": 2}
    first, second, _ = events(tmp_path, "validate")
    assert first["metrics"] == {"psnr": 30.0, "psnr_worst": 29.0} and second["metrics"]["psnr_worst"] == 12.0
    assert second["places"] == {"psnr_worst": {"clip": "ducks", "frame": 7}}
    assert "Metric psnr_worst: 12.0000 (frame 7 of ducks)" in (tmp_path / "log.txt").read_text()


def test_another_metric_than_before_starts_anew_and_a_missing_one_is_said(tmp_path):
    known = {"metric": "psnr", "value": 99.0, "step": 1}
    options = {"validate": scores(1.0, 1.0), "validate_interval": 6, "best": known}
    run(tmp_path, snapshot=SnapshotOptions(interval=6, best="ssim"), **options)
    best = read_checkpoint(tmp_path / "iter_6_checkpoint.pdparams").facts["best"]
    assert best == {"metric": "ssim", "value": 0.5, "step": 6}
    run(tmp_path, snapshot=SnapshotOptions(interval=6, best="lpips"), **options)
    text = (tmp_path / "log.txt").read_text()
    assert "snapshot_config.best: no metric 'lpips' (there are: psnr, ssim); best_weight is not kept" in text


def test_only_the_newest_checkpoints_and_weights_stay(tmp_path):
    later = tmp_path / "iter_50_weight.pdparams"
    later.write_bytes(b"of a run that was resumed before it")
    run(tmp_path, snapshot=SnapshotOptions(interval=1, keep=2, keep_weights=3), total=12)
    assert files(tmp_path, "*checkpoint*") == ["iter_11_checkpoint.pdparams", "iter_12_checkpoint.pdparams"]
    assert files(tmp_path, "*weight*") == sorted([*(f"iter_{n}_weight.pdparams" for n in (10, 11, 12)), later.name])


def refuse(monkeypatch, steps):
    """Let checkpoints of these steps fail as on a full disk."""
    write = checkpoint.write_checkpoint

    def full(folder, state):
        if state.step in steps:
            raise WeightsError(f"{folder}: cannot be written: No space left on device")
        return write(folder, state)

    monkeypatch.setattr(snapshots, "write_checkpoint", full)


def test_a_full_disk_is_warned_of_and_tried_again(tmp_path, monkeypatch):
    refuse(monkeypatch, {2, 3, 5})
    assert run(tmp_path, snapshot=SnapshotOptions(interval=1)) == 6
    text = (tmp_path / "log.txt").read_text()
    assert text.count("WARNING: NOT SAVED at step") == 3
    assert "NOT SAVED at step 3 (2 of 3 failures in a row): " in text and "No space left on device" in text
    assert "step 5 (1 of 3 failures in a row)" in text
    assert files(tmp_path, "*checkpoint*") == ["iter_6_checkpoint.pdparams"]


def test_the_third_failure_in_a_row_ends_the_run(tmp_path, monkeypatch):
    refuse(monkeypatch, {3, 4, 5})
    with pytest.raises(
        WeightsError, match=r"No space left(?s:.*)ends at step 5, because it could not be saved"
    ) as error:
        run(tmp_path, snapshot=SnapshotOptions(interval=1))
    assert error.value.exit_code == 1
    assert files(tmp_path, "*checkpoint*") == ["iter_2_checkpoint.pdparams"]


def test_a_run_that_cannot_save_its_end_fails(tmp_path, monkeypatch):
    refuse(monkeypatch, {6})
    with pytest.raises(WeightsError, match="ends at step 6"):
        run(tmp_path)


def test_ctrl_c_on_a_full_disk_is_still_ctrl_c(tmp_path, monkeypatch):
    refuse(monkeypatch, {3})
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Counter(acts={3: ctrl_c}))
    assert "NOT SAVED at step 3: " in (tmp_path / "log.txt").read_text()


def test_best_weights_that_cannot_be_written_do_not_end_the_run(tmp_path, monkeypatch):
    write = checkpoint.write_weights
    full = fail(WeightsError("best: full"))
    monkeypatch.setattr(
        snapshots,
        "write_weights",
        lambda folder, label, arrays: full() if label == "best" else write(folder, label, arrays),
    )
    assert run(tmp_path, validate=scores(30.0), validate_interval=6) == 6
    assert read_checkpoint(tmp_path / "iter_6_checkpoint.pdparams").facts["best"] is None
    assert "best weights are NOT SAVED at step 6" in (tmp_path / "log.txt").read_text()
