"""`tools/export_model.py` as people type it."""

import pytest
import yaml

from ppvsr.cli.export import export_main
from ppvsr.errors import ConfigError, PpvsrError
from ppvsr.export.exported import read_exported
from ppvsr.train.experiment import FOR_EXPORT, read_experiment
from ppvsr.weights.files import save
from ppvsr.weights.networks import create_model

NETWORK = {"name": "BasicVSRNet", "mid_channels": 4, "num_blocks": 1}
MODEL = {"name": "BasicVSRModel", "generator": NETWORK, "pixel_criterion": {"name": "CharbonnierLoss"}}


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump({"model": MODEL, "export_model": [{"name": "generator", "inputs_num": 1}]}))
    net = create_model(**NETWORK)
    save({name: value.numpy() for name, value in net.state_dict().items()}, tmp_path / "w.npz")
    return path


@pytest.mark.slow
def test_a_config_and_weights_become_proved_files(config, tmp_path, capsys):
    out = tmp_path / "out"
    call = ["-c", str(config), "--load", str(tmp_path / "w.npz"), "-s", "1,1,3,64,64", "--output_dir", str(out)]
    assert export_main(call) == 0
    name = "basicvsrmodel_generator"
    assert f"{out}/{name}.yaml: written, and proved equal to the network" in capsys.readouterr().out
    assert {each.name for each in out.iterdir()} == {f"{name}{end}" for end in (".json", ".pdiparams", ".yaml")}
    exported = read_exported(out / name)
    assert exported.about["network"] == "BasicVSRNet" and exported.about["options"] == {
        "mid_channels": 4,
        "num_blocks": 1,
    }
    assert exported.about["weights"]["name"] == "w.npz" and exported.about["weights"]["licence"] is None
    assert export_main(call) == 2
    assert "exists already" in capsys.readouterr().err
    (out / f"{name}.pdiparams").write_bytes(b"x")
    with pytest.raises(PpvsrError, match=r"pdiparams: it is damaged or of another export"):
        read_exported(out / f"{name}.json").load(threads=1)
    (out / f"{name}.yaml").write_text("[]")
    with pytest.raises(PpvsrError, match=r"it says nothing of format, kind"):
        read_exported(out / name)
    with pytest.raises(PpvsrError, match=r"other.yaml: there is no such exported network"):
        read_exported(out / "other.onnx")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "give one of --config-file and --variant"),
        (["--variant", "PPMSVSRSmal"], 2, "there is no network 'PPMSVSRSmal'; did you mean PPMSVSRSmall?"),
        (["--variant", "Bicubic"], 2, "--variant Bicubic: it is no network"),
        (["--variant", "PPMSVSRSmall", "--format", "tflite"], 2, "--format tflite: there are paddle and onnx"),
        (["--variant", "PPMSVSRSmall", "-s", "1,2,3,64"], 2, "4 numbers; a clip has five"),
        (["--variant", "PPMSVSRSmall", "--steps", "-s", "1,2,3,64,64"], 2, "any size; leave --inputs_size out"),
        (["--variant", "PPMSVSRSmall", "-o", "a=1"], 2, "--opt changes a config, and --variant needs none"),
        (["--variant", "PPMSVSRSmall", "-s", "1,2,3,64,32"], 2, "width 32 is too small for MSVSR"),
        (["-c", "CONFIG"], 2, "give the weights to export by --load FILE"),
        (["-c", "CONFIG", "--load", "none.npz"], 1, "none.npz: no such file"),
        (["-c", "CONFIG", "--load", "W", "-o", "model.generator.mid_channels=8"], 1, "parameters differ from BasicVSR"),
        (["-c", "CONFIG", "--load", "W", "-o", "export_model.0.name=discriminator"], 2, "no net 'discriminator'"),
    ],
)
def test_wrong_use_is_one_line(arguments, code, message, config, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    known = {"CONFIG": str(config), "W": str(tmp_path / "w.npz")}
    assert export_main([known.get(each, each) for each in arguments]) == code
    error = capsys.readouterr().err
    assert message in error and error.startswith("ppvsr-export: ") and error.count("\n") == 1
    assert not (tmp_path / "inference_model").exists()


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"name": "generator"}, r"export_model: expected a list such as \[{name: generator}\]"),
        ([{"name": "generator", "inputs_num": 2}], r"export_model\[0\].inputs_num: expected .*1.*, got 2"),
        ([{"name": "generator", "input_num": 1}], r"export_model\[0\].input_num: .* no such option"),
        ([{"name": "generater"}], r"export_model\[0\].name: there is no net 'generater'.*generator"),
        ([{}], r"export_model\[0\]: ExportedNet needs `name`"),
    ],
)
def test_the_entries_of_export_model_are_checked(node, message, tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump({"model": MODEL, "export_model": node}))
    with pytest.raises(ConfigError, match=message):
        read_experiment(path, training=False, needed=FOR_EXPORT)


def test_without_export_model_it_is_the_generator(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump({"model": MODEL}))
    (net,) = read_experiment(path, training=False, needed=FOR_EXPORT).nets
    assert (net.name, net.inputs_num) == ("generator", 1)
    path.write_text(yaml.safe_dump({"export_model": None}))
    with pytest.raises(ConfigError, match="model: missing, and needed here"):
        read_experiment(path, training=False, needed=FOR_EXPORT)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": ["paddle"]}, "no metadata of a network"),
        ({"files": {}}, "names other files than its own"),
        ({"files": {1: "x"}}, "names other files than its own"),
        ({"inputs": []}, "makes no sense"),
        ({"inputs": [{"name": "lq", "shape": [1, None, 3, 64, 64]}]}, "makes no sense"),
        ({"scale": "4"}, "makes no sense"),
    ],
)
def test_damaged_metadata_is_one_line(tmp_path, change, told):
    about = {
        "format": "onnx", "kind": "clip", "network": "MSVSR", "scale": 4, "min_size": 64, "size_multiple": 1,
        "inputs": [{"name": "lq", "shape": [1, 3, 3, None, None]}], "outputs": [], "files": {"net.onnx": "0"},
    }  # fmt: skip
    (tmp_path / "net.yaml").write_text(yaml.safe_dump(about))
    assert read_exported(tmp_path / "net").about == about
    (tmp_path / "net.yaml").write_text(yaml.safe_dump(about | change))
    with pytest.raises(PpvsrError, match=told):
        read_exported(tmp_path / "net")
