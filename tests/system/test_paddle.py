"""Paddle is asked for politely, and its absence is one line of advice."""

import importlib.util
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

import ppvsr
from ppvsr.errors import PpvsrError, UsageError
from ppvsr.system import paddle as framework

ROOT = Path(__file__).parents[2]


def installed(monkeypatch, versions):
    """Pretend that just these packages are installed."""

    def version(name):
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


def test_without_paddle_one_line_says_what_to_install(monkeypatch):
    installed(monkeypatch, {})
    with pytest.raises(PpvsrError, match=r"not installed.*pip install paddlepaddle") as caught:
        framework.check_paddle()
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("package", ["paddlepaddle", "paddlepaddle-gpu"])
def test_an_old_paddle_is_named_with_its_version(package, monkeypatch):
    installed(monkeypatch, {package: "2.6.2"})
    with pytest.raises(PpvsrError, match=f"{package} 2.6.2 is too old, ppvsr needs 3.0 or newer: install it"):
        framework.check_paddle()


@pytest.mark.parametrize("version", ["3.0.0", "3.0rc1", "3.3.1", "10.0.0", "0.0.0"])
def test_newer_ones_are_welcome(version, monkeypatch):
    installed(monkeypatch, {"paddlepaddle-gpu": version})
    framework.check_paddle()


def test_building_a_network_leaves_the_device_alone(monkeypatch):
    paddle, chosen = framework.import_paddle(), []
    monkeypatch.setattr(paddle.device, "set_device", chosen.append)
    monkeypatch.setattr(paddle.device, "is_compiled_with_cuda", lambda: True)
    monkeypatch.setattr(paddle.device.cuda, "device_count", lambda: 2)
    framework.use_device("cpu")
    ppvsr.create_model("MSVSR", mid_channels=8)
    list(ppvsr.enhance_frames([np.zeros((8, 8, 3), np.uint8)], device="gpu:1", backend="dygraph"))
    assert chosen == ["cpu", "gpu:1"]
    framework.use_device(None)
    assert chosen[-1] == "gpu"


def test_the_cpu_is_always_there():
    assert framework.use_device("cpu") == "cpu"


@pytest.mark.parametrize("device", ["tpu", "gpu:99"])
def test_devices_that_are_not_there_are_refused(device):
    with pytest.raises(UsageError, match=f"--device {device}: this Paddle cannot use it"):
        framework.use_device(device)


TERMINATED = """
import os, signal
from ppvsr.cli.common import interruptible
from ppvsr.system.paddle import use_device
try:
    with interruptible():
        use_device("cpu")
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
except KeyboardInterrupt:
    print("tidied up")
"""


@pytest.mark.slow
def test_kill_is_still_a_clean_end_once_paddle_is_there():
    done = subprocess.run([sys.executable, "-c", TERMINATED], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "tidied up\n", "")
