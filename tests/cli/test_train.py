"""`tools/main.py` as people type it, on a tiny tree like REDS and a tiny network."""

import csv
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ppvsr.cli.train import main
from ppvsr.weights.files import read

ROOT = Path(__file__).parents[2]


def run(*arguments):
    return main([str(argument) for argument in arguments])


def runs(config):
    return sorted((config.parent / "runs").glob("tiny-*"))


def load(folder, name):
    with open(folder / name, "rb") as file:
        return pickle.load(file)


def test_a_run_writes_what_the_document_promises_and_validates(config, capsys):
    assert run("-c", config, "-o", "validate.interval=2", "total_iters=2") == 0
    (folder,) = runs(config)
    names = {path.name for path in folder.iterdir()}
    expected = {
        "iter_1_weight.pdparams",
        "iter_2_weight.pdparams",
        "iter_2_checkpoint.pdparams",
        "best_weight.pdparams",
    }
    assert expected | {"log.txt", "metrics.jsonl", "curves.png"} <= names
    assert {path.name for path in (folder / "visual_train").iterdir()} == {
        f"iter2_{name}.png" for name in ("lq", "output", "gt")
    }
    log = (folder / "log.txt").read_text()
    assert "Iter: 2/2 lr: 7.500e-04 loss_pix_stage2: " in log and "Metric psnr: " in log
    assert "Iter: 2/2" in capsys.readouterr().out
    kinds = [json.loads(line)["kind"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert kinds.count("train") == 2 and kinds.count("validate") == 1
    weights = load(folder, "iter_2_weight.pdparams")["generator"]  # as PaddleGAN opens it
    assert "feat_extract.covn1.weight" in weights and all(isinstance(x, np.ndarray) for x in weights.values())
    assert load(folder, "iter_2_checkpoint.pdparams")["epoch"] == 2


def test_a_killed_run_goes_on_bit_for_bit_across_the_freeze_boundary(config, tmp_path):
    straight = tmp_path / "straight"
    assert run("-c", config, "-o", f"output_dir={straight}") == 0
    child = subprocess.Popen(
        [sys.executable, ROOT / "tools/main.py", "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not list(config.parent.glob("runs/*/iter_1_checkpoint.pdparams")) and child.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert run("-c", config, "--resume", "auto") == 0
    (folder,) = runs(config)
    (other,) = straight.iterdir()
    assert "goes on after step" in (folder / "log.txt").read_text()
    left, right = load(folder, "iter_3_checkpoint.pdparams"), load(other, "iter_3_checkpoint.pdparams")
    assert left["epoch"] == right["epoch"] == 3 and left["optim"].keys() == right["optim"].keys()
    for part in ("generator", "optim", "ema"):
        for key, value in left[part].items():
            np.testing.assert_array_equal(value, right[part][key], err_msg=f"{part} {key}")
    assert any("spynet" in key for key in left["optim"])  # the flow network has learnt since step 2


def test_evaluation_needs_no_training_data_and_writes_its_results(config, capsys):
    assert run("-c", config, "-o", "total_iters=1") == 0
    (trained,) = runs(config)
    weights = trained / "iter_1_weight.pdparams"
    gone = "dataset.train.dataset.lq_folder=/does/not/exist"
    assert run("-c", config, "--evaluate-only", "--load", weights, "-o", gone, "validate.save_img=true") == 0
    folder = runs(config)[-1]
    results = json.loads((folder / "results.json").read_text())
    assert [clip["clip"] for clip in results["clips"]] == ["000", "011", "020"]
    assert results["mean"]["psnr"] == pytest.approx(np.mean([clip["values"]["psnr"] for clip in results["clips"]]))
    rows = list(csv.DictReader((folder / "results.csv").open()))
    assert [row["clip"] for row in rows] == ["000", "011", "020", "mean"]
    assert len(list((folder / "visual_test").rglob("*.png"))) == 9
    assert f"Metric psnr: {results['mean']['psnr']:.4f}" in capsys.readouterr().out


def test_interrupting_saves_the_true_step(config):
    child = subprocess.Popen([sys.executable, ROOT / "tools/main.py", "-c", config], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(config.parent.glob("runs/*/iter_1_checkpoint.pdparams")) and child.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    child.send_signal(signal.SIGTERM)
    _, err = child.communicate(timeout=120)
    assert child.returncode == 130
    assert err.strip().splitlines()[-1] == "ppvsr-train: interrupted; --resume auto goes on from the last checkpoint"
    (folder,) = runs(config)
    steps = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert (folder / f"iter_{max(steps)}_checkpoint.pdparams").is_file() and max(steps) < 3


def test_a_check_looks_at_everything_and_trains_nothing(config, capsys):
    assert run("-c", config, "--check") == 0
    out = capsys.readouterr().out
    assert "gt uint8 (2, 3, 256, 256)" in out and "dataset.test: 3 clips" in out and "3 steps of 1 clips" in out
    assert not runs(config)


def test_packed_clips_are_used(config, tmp_path, capsys):
    pack = f"dataset.train.dataset.pack={tmp_path / 'pack'}"
    assert run("-c", config, "--pack", "-o", pack) == 0
    assert len(list((tmp_path / "pack").rglob("*.npy"))) == 4
    assert run("-c", config, "--check", "-o", pack) == 0
    assert "4 of 4 halves of clips are packed" in capsys.readouterr().out


WRONG = {
    "no such config": (["-c", "nowhere.yaml"], "nowhere.yaml"),
    "unknown key": (["-o", "model.generator.mid_chanels=3"], "did you mean 'mid_channels'"),
    "both starts": (["--resume", "auto", "--load", "x"], "exclude each other"),
    "no weights": (["--evaluate-only"], "--load FILE"),
    "amp without gpu": (["--amp"], "needs a GPU"),
    "no data": (["-o", "dataset.train.dataset.gt_folder=/nowhere"], "/nowhere"),
    "too large a batch": (["-o", "dataset.train.batch_size=50"], "lower batch_size"),
    "another part": (["-o", "pretrained.edvr=x"], "no such part"),
    "a seed that contradicts": (["--seed", "-1"], "whole number"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_ends_in_words_and_trains_nothing(case, config, capsys):
    arguments, text = WRONG[case]
    arguments = arguments if "-c" in arguments else ["-c", config, *arguments]
    assert run(*arguments) in (1, 2)
    err = capsys.readouterr().err
    assert text in err and "unexpected" not in err and "Traceback" not in err
    assert not any(runs(config)) or not list(runs(config)[0].glob("*.pdparams"))


def test_a_checkpoint_of_another_network_is_refused_with_the_differences(config, capsys):
    assert run("-c", config, "-o", "total_iters=1") == 0
    (folder,) = runs(config)
    checkpoint = folder / "iter_1_checkpoint.pdparams"
    assert run("-c", config, "--resume", checkpoint, "-o", "model.generator.mid_channels=8") == 1
    assert "parameters differ from MSVSR" in capsys.readouterr().err
    assert run("-c", config, "--resume", folder / "iter_1_weight.pdparams") == 1
    assert "use --load" in capsys.readouterr().err
    assert read(checkpoint)  # video-enhance opens it, too
