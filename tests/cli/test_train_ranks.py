"""`tools/main.py` under Paddle's launcher: two processes on the CPU, by gloo."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ppvsr.cli.train import main

ROOT = Path(__file__).parents[2]
LIMIT = 240  # seconds; measured 20


def launch(config, log, *arguments):
    command = [
        *(sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--log_dir", log),
        *(ROOT / "tools/main.py", "-c", config, *arguments),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PADDLE_DISTRI_BACKEND": "gloo"}
    return subprocess.run(command, env=environment, timeout=LIMIT, text=True, capture_output=True, cwd=config.parent)


def load(path):
    with open(path, "rb") as file:
        return pickle.load(file)


@pytest.mark.slow
def test_two_processes_train_as_one_with_their_batches_and_one_writes(config, tmp_path):
    """Measured: weights differ by less than 2e-6 after moving by 2e-3."""
    options = ["-o", "total_iters=2", "validate.interval=2", "ema_decay=null"]
    done = launch(config, tmp_path / "log", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    alone = tmp_path / "alone"
    assert main(["-c", str(config), *options, "dataset.train.batch_size=2", f"output_dir={alone}"]) == 0
    (other,) = alone.iterdir()
    left, right = (load(each / "iter_2_checkpoint.pdparams")["generator"] for each in (folder, other))
    for key, value in right.items():
        np.testing.assert_allclose(left[key], value, rtol=0, atol=1e-5, err_msg=key)
    scores = []
    for each in (folder, other):
        events = [json.loads(line) for line in (each / "metrics.jsonl").read_text().splitlines()]
        scores.append([event["metrics"]["psnr"] for event in events if event["kind"] == "validate"])
    assert len(scores[0]) == 1  # one process wrote it, over all three clips
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-3)
    assert "2 process(es)" in (folder / "log.txt").read_text()
