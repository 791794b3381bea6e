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
from tests.cli.conftest import write_config

ROOT = Path(__file__).parents[2]


def run(*arguments):
    return main([str(argument) for argument in arguments])


def runs(config):
    return sorted((config.parent / "runs").glob("tiny-*"))


def load(folder, name):
    with open(folder / name, "rb") as file:
        return pickle.load(file)


@pytest.fixture(scope="module")
def trained(tree, tmp_path_factory):
    """The folder of a run of two steps, with a validation."""
    config = write_config(tree, tmp_path_factory.mktemp("trained"))
    assert run("-c", config, "-o", "validate.interval=2", "total_iters=2") == 0
    (folder,) = runs(config)
    return folder


@pytest.mark.slow
def test_a_run_writes_what_the_document_promises_and_validates(trained):
    folder = trained
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
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    (validation,) = (event for event in found if event["kind"] == "validate")
    place, worst = validation["places"]["psnr_worst"], validation["metrics"]["psnr_worst"]
    assert worst <= validation["metrics"]["psnr"]
    assert f"Metric psnr_worst: {worst:.4f} (frame {place['frame']} of {place['clip']})" in log
    kinds = [json.loads(line)["kind"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert kinds.count("train") == 2 and kinds.count("validate") == 1
    weights = load(folder, "iter_2_weight.pdparams")["generator"]  # as PaddleGAN opens it
    assert "feat_extract.covn1.weight" in weights and all(isinstance(x, np.ndarray) for x in weights.values())
    assert load(folder, "iter_2_checkpoint.pdparams")["epoch"] == 2


LONG = ["dataset.train.lengths=[[0,1],[2,2]]", "dataset.train.warm_frames=3", "model.growth_weight=0.1"]


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], LONG], ids=["as it is", "with warm frames"])
def test_a_killed_run_goes_on_bit_for_bit_across_the_freeze_boundary(options, config, tmp_path):
    straight = tmp_path / "straight"
    assert run("-c", config, "-o", f"output_dir={straight}", *options) == 0
    child = subprocess.Popen(
        [sys.executable, ROOT / "tools/main.py", "-c", config, "-o", "total_iters=1000", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not list(config.parent.glob("runs/*/iter_1_checkpoint.pdparams")) and child.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert run("-c", config, "--resume", "auto", *(["-o", *options] if options else [])) == 0
    (folder,) = runs(config)
    (other,) = straight.iterdir()
    for place in (folder, other):
        assert ("loss_growth: " in (place / "log.txt").read_text()) == bool(options)
    assert "goes on after step" in (folder / "log.txt").read_text()
    left, right = load(folder, "iter_3_checkpoint.pdparams"), load(other, "iter_3_checkpoint.pdparams")
    assert left["epoch"] == right["epoch"] == 3 and left["optim"].keys() == right["optim"].keys()
    for part in ("generator", "optim", "ema"):
        for key, value in left[part].items():
            np.testing.assert_array_equal(value, right[part][key], err_msg=f"{part} {key}")
    assert any("spynet" in key for key in left["optim"])  # the flow network has learnt since step 2


def test_evaluation_needs_no_training_data_and_writes_its_results(trained, config, capsys):
    weights = trained / "iter_2_weight.pdparams"
    gone = "dataset.train.dataset.lq_folder=/does/not/exist"
    assert run("-c", config, "--evaluate-only", "--load", weights, "-o", gone, "validate.save_img=true") == 0
    (folder,) = runs(config)
    results = json.loads((folder / "results.json").read_text())
    assert [clip["clip"] for clip in results["clips"]] == ["000", "011", "020"]
    assert results["mean"]["psnr"] == pytest.approx(np.mean([clip["values"]["psnr"] for clip in results["clips"]]))
    rows = list(csv.DictReader((folder / "results.csv").open()))
    assert [row["clip"] for row in rows] == ["000", "011", "020", "mean"]
    assert len(list((folder / "visual_test").rglob("*.png"))) == 9
    assert f"Metric psnr: {results['mean']['psnr']:.4f}" in capsys.readouterr().out


@pytest.mark.slow
def test_interrupting_saves_the_true_step(config):
    command = [sys.executable, ROOT / "tools/main.py", "-c", config, "-o", "total_iters=1000"]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
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
    assert (folder / f"iter_{max(steps)}_checkpoint.pdparams").is_file()


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


CROPPED = "dataset.train.dataset.preprocess.3.pipeline.0"
RANDOM = "dataset.test.preprocess.3.pipeline=[{name: PairedRandomHorizontalFlip}, {name: TransposeSequence}]"
MIRRORED = (
    "dataset.train.dataset.preprocess.3.pipeline=[{name: SRPairedRandomCrop, gt_patch_size: 256, scale: 4},"
    " {name: TransposeSequence}, {name: MirrorVideoSequence}]"
)
WRONG = {
    "no such config": (["-c", "nowhere.yaml"], "nowhere.yaml"),
    "unknown key": (["-o", "model.generator.mid_chanels=3"], "did you mean 'mid_channels'"),
    "both starts": (["--resume", "y", "--load", "x"], "exclude each other"),
    "no weights": (["--evaluate-only"], "--load FILE"),
    "amp without gpu": (["--amp"], "needs a GPU"),
    "no data": (["-o", "dataset.train.dataset.gt_folder=/nowhere"], "/nowhere"),
    "too large a batch": (["-o", "dataset.train.batch_size=50"], "lower batch_size"),
    "another part": (["-o", "pretrained.edvr=x"], "no such part"),
    "a negative seed": (["--seed", "-1"], "whole number"),
    "and in the config": (["-o", "seed=-1"], "0 or more"),
    "too small a crop": (["-o", f"{CROPPED}.gt_patch_size=128"], "set gt_patch_size to 256 or more"),
    "a part that is no file": (["-o", "pretrained.spynet=5"], "expected a file, official, or null"),
    "weights of periods": (["-o", "lr_scheduler.restart_weights=[1,2]"], "restart_weights"),
    "no such metric": (["-o", "validate.interval=1", "snapshot_config.best=lpips"], "no metric 'lpips'"),
    "the worst frame of another metric": (
        ["-o", "validate.interval=1", "snapshot_config.best=ssim_worst"],
        "no metric 'ssim_worst'",
    ),
    "lengths from nowhere": (["-o", "dataset.train.lengths=[[5,2]]"], "steps must begin with 0"),
    "lengths that are none": (["-o", "dataset.train.lengths=7"], "dataset.train.lengths"),
    "warm frames that mirror": (["-o", "dataset.train.warm_frames=2", MIRRORED], "MirrorVideoSequence"),
    "a penalty on nothing": (["-o", "model.growth_weight=-1"], "model.growth_weight: expected 0 or more"),
    "a beta that cannot be": (["-o", "optimizer.beta1=1.5"], "optimizer"),
    "several values at once": (["-o", "seed=-1", "ema_decay=1"], "ema_decay"),
    "too large a border": (
        ["-o", "validate.interval=1", "validate.metrics.psnr.crop_border=400"],
        "validate.metrics.psnr",
    ),
    "a random test": (["-o", "validate.interval=1", "dataset.test.test_mode=false", RANDOM], "random"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_ends_in_words_and_trains_nothing(case, config, capsys):
    arguments, text = WRONG[case]
    arguments = arguments if "-c" in arguments else ["-c", config, *arguments]
    assert run(*arguments) in (1, 2)
    err = capsys.readouterr().err
    assert text in err and "unexpected" not in err and "Traceback" not in err
    assert not any(runs(config)) or not list(runs(config)[0].glob("*.pdparams"))


def test_a_checkpoint_of_another_network_is_refused_with_the_differences(trained, config, capsys):
    checkpoint = trained / "iter_2_checkpoint.pdparams"
    assert run("-c", config, "--resume", checkpoint, "-o", "model.generator.mid_channels=8") == 1
    assert "parameters differ from MSVSR" in capsys.readouterr().err
    assert run("-c", config, "--resume", trained / "iter_2_weight.pdparams") == 1
    assert "use --load" in capsys.readouterr().err
    assert read(checkpoint)  # video-enhance opens it, too


def test_a_finished_run_is_left_alone_and_an_explicit_file_is_an_error(trained, config, capsys):
    options = ["-o", "total_iters=2", f"output_dir={trained.parent}"]
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    assert run("-c", config, "--resume", "auto", *options) == 0
    assert "this run is finished" in capsys.readouterr().out
    assert run("-c", config, "--resume", trained / "iter_2_checkpoint.pdparams", *options) == 2
    assert "nothing to do" in capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
