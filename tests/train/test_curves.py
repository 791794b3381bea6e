"""curves.png from metrics.jsonl, also from a torn one and after a resume."""

import json
import sys

import cv2
import numpy as np
import pytest

from ppvsr.train.log import draw_curves, history, read_events, smooth


def event(step, kind="train", **values):
    return {"kind": kind, "step": step, **values}


def write(path, *events):
    path.write_text("".join(json.dumps(each) + "\n" for each in events))
    return path


def trained(step, loss, lr=2e-4):
    return event(step, losses={"loss_pix": loss}, lr=lr)


def test_a_torn_line_and_foreign_lines_are_passed_over(tmp_path):
    path = write(tmp_path / "metrics.jsonl", trained(10, 0.5))
    with path.open("ab") as file:
        file.write(
            b'{"kind": "train", "st\n7\n{"step": "x", "kind": "y"}\n\xff\n' + json.dumps(trained(20, 0.4)).encode()
        )
    assert [each["step"] for each in read_events(path)] == [10, 20]


def test_what_a_resumed_run_did_again_replaces_the_old():
    old = [trained(10, 1.0), trained(20, 2.0), event(20, "validate"), event(20, "save"), trained(30, 3.0)]
    new = [trained(20, 5.0), event(20, "validate", metrics={"psnr": 1.0})]
    straight = history([*old, *new])
    assert straight == [trained(10, 1.0), event(20, "save"), *new]


def test_the_smooth_line_averages_a_fiftieth_and_skips_what_is_not_finite():
    values = np.array([np.nan, 4.0, 2.0, np.inf] + [1.0] * 146)
    smoothed = smooth(values)
    assert len(values) // 50 == 3
    np.testing.assert_array_equal(np.isnan(smoothed[:1]), [True])
    np.testing.assert_allclose(smoothed[1:7], [4.0, 3.0, 3.0, 1.5, 1.0, 1.0])


def test_loss_metrics_and_rate_become_one_picture(tmp_path):
    path = tmp_path / "metrics.jsonl"
    write(path, trained(10, 0.5))
    assert draw_curves(path, tmp_path / "small.png")
    write(path, *[trained(step, 1 / step) for step in range(1, 200)], trained(200, None), event(200, "skip"))
    with path.open("a") as file:
        file.write(json.dumps(event(200, "validate", metrics={"psnr": 30.0, "ssim": None})) + '\n{"torn')
    assert draw_curves(path, tmp_path / "curves.png")
    small, full = (cv2.imread(str(tmp_path / name)) for name in ("small.png", "curves.png"))
    assert full.shape[1] == small.shape[1] == 900
    assert full.shape[0] == small.shape[0] + 2 * 250  # a chart for each metric
    assert full.std() > 5
    assert sorted(each.name for each in tmp_path.iterdir()) == ["curves.png", "metrics.jsonl", "small.png"]


def test_losses_that_are_never_finite_do_not_stop_the_picture(tmp_path):
    path = write(tmp_path / "metrics.jsonl", trained(10, None), trained(20, -1.0))
    assert draw_curves(path, tmp_path / "curves.png")


def test_without_events_there_is_no_picture(tmp_path):
    path = write(tmp_path / "metrics.jsonl", event(5, "save", file="x"))
    assert not draw_curves(path, tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()


def test_without_matplotlib_the_import_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    with pytest.raises(ImportError):
        draw_curves(write(tmp_path / "metrics.jsonl", trained(1, 1.0)), tmp_path / "curves.png")
