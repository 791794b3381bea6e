"""Every network, as Paddle's program and as ONNX's, equals itself."""

import json
import re

import numpy as np
import paddle
import pytest
import yaml

from ppvsr.errors import PpvsrError, UsageError
from ppvsr.export import engines
from ppvsr.export import onnx as repair
from ppvsr.export.exported import read_exported
from ppvsr.export.files import ClipShape, Origin, Target
from ppvsr.export.write import Options, write_clip, write_steps
from tests.archs.nets import TINY, clip, tiny

onnx = pytest.importorskip("onnx")
pytest.importorskip("paddle2onnx")
ORIGIN = {"weights": {"name": "drawn", "licence": None, "trained_on": None, "sha256": None}}
LARGE = {"only_last": False, "use_tiny_spynet": False}  # what MSVSR-L has that MSVSR has not
NETS = {"MSVSR": ("MSVSR", {}), "MSVSR-L": ("MSVSR", LARGE)} | {n: (n, {}) for n in TINY if n != "MSVSR"}


def write(folder, name, format, shape, *, net=None, **options):
    kind, own = NETS[name]
    target = Target(folder, name, format)
    origin = Origin(kind, TINY[kind] | own, **ORIGIN)
    said = []
    path = write_clip(net or tiny(kind, **own), ClipShape.parse(shape), target, origin, Options(**options), said.append)
    assert said[-1].startswith("proving it") and {each.name.split(".")[0] for each in folder.iterdir()} == {name}
    return path


def answer(name, frames):
    kind, own = NETS[name]
    net = tiny(kind, **own)
    net.eval()
    with paddle.no_grad():
        return net(frames)[-1].numpy()


def size_of(name):
    return (65, 70) if name == "IconVSR" else (64, 64)  # it fits frames to multiples of 4 itself


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_the_program_of_paddle_equals_the_network(name, tmp_path, in_process):
    h, w = size_of(name)
    path = write(tmp_path, name, "paddle", f"1,2,3,{h},{w}")
    about = yaml.safe_load(path.read_text())
    assert about["proof"]["differences"].keys() == {"plain", "onednn"}
    assert all(0 < value < 1e-5 for value in about["proof"]["differences"].values())
    assert about["outputs"] == [{"name": "sr", "shape": [1, 2, 3, 4 * h, 4 * w]}] and about["colours"] == "RGB"
    assert "ppvsr_" not in (tmp_path / f"{name}.json").read_text()  # our own operators


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_the_onnx_file_equals_the_network(name, tmp_path, in_process):
    h, w = size_of(name)
    write(tmp_path, name, "onnx", f"1,2,3,{h},{w}")
    model = onnx.load(tmp_path / f"{name}.onnx")
    assert model.opset_import[0].version >= 19
    notes = {each.key: each.value for each in model.metadata_props}
    assert notes["network"] == NETS[name][0] and json.loads(notes["weights"])["name"] == "drawn"
    assert notes["colours"] == "RGB" and json.loads(notes["range"]) == [0.0, 1.0] and "files" not in notes
    expected = answer(name, clip(1, 2, h, w, seed=5))
    found = read_exported(tmp_path / name).load(threads=1)({"lq": clip(1, 2, h, w, seed=5).numpy()})["sr"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["paddle", "onnx"])
def test_batch_height_and_width_may_be_free(format, tmp_path, in_process):
    about = yaml.safe_load(write(tmp_path, "BasicVSRNet", format, "-1,2,3,-1,-1").read_text())
    assert about["inputs"] == [{"name": "lq", "shape": [None, 2, 3, None, None]}]
    assert about["proof"]["inputs"] == [[1, 2, 3, 64, 64], [2, 2, 3, 65, 73]]
    run = read_exported(tmp_path / "BasicVSRNet").load(threads=1)
    for frames in (clip(1, 2, 80, 66), clip(2, 2, 64, 97)):
        expected = answer("BasicVSRNet", frames)
        np.testing.assert_allclose(run({"lq": frames.numpy()})["sr"], expected, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_portable_means_without_deformconv_and_auxiliary_pictures_come_first(tmp_path, in_process):
    write(tmp_path, "MSVSR", "onnx", "1,2,3,64,64", portable=True, auxiliary=True)
    model = onnx.load(tmp_path / "MSVSR.onnx")
    assert "DeformConv" not in {node.op_type for node in model.graph.node}
    assert [each.name for each in model.graph.output] == ["auxiliary", "sr"]
    found = read_exported(tmp_path / "MSVSR").load(threads=1)({"lq": clip(1, 2, 64, 64).numpy()})
    expected = answer("MSVSR", clip(1, 2, 64, 64))
    np.testing.assert_allclose(found["sr"], expected, rtol=0, atol=1e-4)
    assert np.abs(found["auxiliary"] - expected).max() > 1e-3


@pytest.mark.slow
def test_a_program_that_differs_is_not_written(tmp_path, in_process, monkeypatch):
    monkeypatch.setattr(repair, "ATTRIBUTES", repair.ATTRIBUTES[1:])  # slopes as paddle2onnx leaves them
    with pytest.raises(PpvsrError, match=r"BasicVSRNet: the program differs.*onnxruntime; allowed: 1e-04.*nothing was"):
        write(tmp_path, "BasicVSRNet", "onnx", "1,1,3,64,64")
    assert not list(tmp_path.iterdir())
    monkeypatch.setitem(
        engines.ENGINES, "plain", lambda path, threads: lambda inputs: {"sr": np.full((1, 1, 3, 256, 256), np.nan)}
    )
    with pytest.raises(PpvsrError, match=r"differs from the network by nan \(plain"):
        write(tmp_path, "BasicVSRNet", "paddle", "1,1,3,64,64")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "format", "options", "message"),
    [
        ("BasicVSRNet", "paddle", {"auxiliary": True}, "--auxiliary: BasicVSR has no auxiliary pictures here"),
        ("BasicVSRNet", "paddle", {"portable": True}, "--portable: it is for --format onnx"),
    ],
)
def test_options_that_make_no_sense_are_refused(name, format, options, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        write(tmp_path, name, format, "1,1,3,64,64", net=tiny(name), **options)


def test_without_paddle2onnx_there_is_a_line_that_helps(tmp_path, monkeypatch):
    real = "importlib.util.find_spec"
    monkeypatch.setattr(real, lambda name: None if name == "paddle2onnx" else object())
    with pytest.raises(PpvsrError, match=r"needs the Python package paddle2onnx.*pip install \"ppvsr\[onnx\]\""):
        write_steps(tiny("BasicVSRNet"), Target(tmp_path, "n", "onnx"), Origin("BasicVSRNet"), Options(), print)


def test_what_exists_stays_unless_it_may_be_overwritten(tmp_path):
    (tmp_path / "n.onnx").write_text("mine")
    with pytest.raises(UsageError, match=r"n.onnx: exists already; give another --model_name, or --overwrite"):
        Target(tmp_path, "n", "onnx").check(steps=False)
    Target(tmp_path, "n", "onnx", overwrite=True).check(steps=False)
    Target(tmp_path, "n", "onnx").check(steps=True)
    with pytest.raises(UsageError, match=re.escape("--model_name ../n: expected a name of letters")):
        Target(tmp_path, "../n", "onnx")
    with (
        pytest.raises(UsageError, match=r"--output_dir .*; choose another folder"),
        Target(tmp_path / "n.onnx", "n", "onnx").work(),
    ):
        pass
