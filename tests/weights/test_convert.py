import os
import pickle
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from ppvsr.cli.weights import convert_main
from ppvsr.errors import UsageError, WeightsError
from ppvsr.weights import files
from ppvsr.weights.download import fetch
from ppvsr.weights.files import read, save
from ppvsr.weights.zoo import SMALL_BI

from .conftest import DATA

TOOL = Path(__file__).parents[2] / "tools/convert_weights.py"


def same(got, wanted):
    assert set(got) == set(wanted)
    for name in wanted:
        np.testing.assert_array_equal(got[name], wanted[name], strict=True)


def test_there_and_back(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    steps = [str(fetch(SMALL_BI)), "a.pdparams", "b.npz", "c.safetensors"]
    for source, target in pairwise(steps):
        assert convert_main([source, target]) == 0
    assert "b.npz: 208 arrays, 456,833 numbers; the names in a.pdparams: paddlegan" in capsys.readouterr().out
    assert "feat_extract.covn1.weight" in read("a.pdparams") and "feat_extract.covn1.weight" in read("b.npz")
    assert "feat_extract.conv_in.weight" in read("c.safetensors")
    same(read("c.safetensors"), read(steps[0]))


@pytest.mark.parametrize("naming, name", [("ours", "a.conv_in.bias"), ("paddlegan", "a.covn1.bias")])
@pytest.mark.parametrize("ending", files.DEFAULT_NAMING)
def test_names_can_be_chosen(dump, tmp_path, naming, name, ending):
    source = dump({"a.main.0.bias": np.zeros(3, np.float32)})
    assert convert_main([str(source), str(tmp_path / f"out{ending}"), "--naming", naming]) == 0
    assert list(read(tmp_path / f"out{ending}")) == [name]


def test_paddlegan_opens_our_pdparams(arrays, tmp_path):
    save(arrays, tmp_path / "a.pdparams")
    data = (tmp_path / "a.pdparams").read_bytes()
    assert data.startswith(b"\x80\x02") and b"numpy._core" not in data  # which numpy 1 does not have
    with (tmp_path / "a.pdparams").open("rb") as file:
        same(pickle.load(file, encoding="latin1")["generator"], arrays)


def test_torch_files_from_any_folder(tmp_path):
    command = [sys.executable, str(TOOL), str(DATA / "torch/zip.pth"), "out.npz"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert read(tmp_path / "out.npz")["bfloat16"].tolist() == [1.5, -2.5]


@pytest.mark.parametrize("source, target, status, message", [
    ("none.pth", "out.npz", 1, "none.pth: no such file"),
    ("a.npz", "out.onnx", 2, "out.onnx: the ending must be one of .safetensors, .npz, .pdparams"),
    ("a.npz", "a.npz", 2, "a.npz: exists already; give another name, or --overwrite"),
    ("a.npz", "none/out.npz", 1, "none/out.npz: cannot be written: No such file or directory"),
])  # fmt: skip
def test_errors_are_one_line(arrays, tmp_path, monkeypatch, capsys, source, target, status, message):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", **arrays)
    assert convert_main([source, target]) == status
    assert capsys.readouterr().err == f"convert_weights: {message}\n"
    assert os.listdir() == ["a.npz"]


def test_overwrite(arrays, tmp_path):
    save(arrays, tmp_path / "a.npz")
    with pytest.raises(UsageError, match="exists already"):
        save({"x": np.zeros(1)}, tmp_path / "a.npz")
    save({"x": np.zeros(1)}, tmp_path / "a.npz", overwrite=True)
    assert list(read(tmp_path / "a.npz")) == ["x"]


@pytest.mark.parametrize(
    "error, wanted", [(OSError(28, "No space left on device"), WeightsError), (KeyboardInterrupt,) * 2]
)
def test_an_interrupted_write_leaves_the_old_file(arrays, tmp_path, monkeypatch, error, wanted):
    def fail(arrays, file):
        file.write(b"half")
        raise error

    save(arrays, tmp_path / "a.npz")
    monkeypatch.setattr(files, "_write_npz", fail)
    with pytest.raises(wanted):
        save({"x": np.zeros(1)}, tmp_path / "a.npz", overwrite=True)
    assert os.listdir(tmp_path) == ["a.npz"]
    same(read(tmp_path / "a.npz"), arrays)
