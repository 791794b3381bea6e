"""The two commands that make the bundled weights, on a few small photographs, for a few steps."""

from pathlib import Path

import pytest
import yaml

from ppvsr.cli.train import main
from tests.datasets.photos import make_photos

CONFIGS = Path(__file__).parents[2] / "configs"


def photos(folder, **options):
    return {"name": "MovingPhotosDataset", "folder": folder, "gt_patch_size": 128, **options}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """The flow network's config with photographs only, two steps, of which one is the first level's."""
    root = tmp_path_factory.mktemp("flow")
    pictures = photos(make_photos(root / "photos", size=(160, 144)), num_frames=1)
    tree = {
        "_base_": str(CONFIGS / "spynet_tiny_photos.yaml"),
        "output_dir": str(root / "runs"),
        "total_iters": 2,
        "tensorboard": False,
        "model": {"level_iters": 1},
        "dataset": {
            "train": {"num_workers": 0, "batch_size": 2},
            "test": {"dataset": {"times": 1, "dataset": pictures}},
        },
        "validate": {"interval": 2},
        "log_config": {"interval": 1, "visual_interval": 2},
    }
    tree["dataset"]["train"]["dataset"] = {"name": "KnownFlowDataset", "dataset": pictures}
    tree["dataset"]["test"]["dataset"]["dataset"] = {"names": None, **pictures}
    path = root / "flow.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


@pytest.fixture(scope="module")
def trained(config):
    assert main(["-c", str(config)]) == 0
    (folder,) = (config.parent / "runs").glob("flow-*")
    return folder


def test_a_run_goes_through_both_phases_validates_and_shows(trained):
    log = (trained / "log.txt").read_text()
    first, second = (line for line in log.splitlines() if "Iter: " in line)
    assert "loss_level0" in first and "loss_level2" not in first and "loss_level2" in second
    assert "Metric error: " in log and "Metric zero_flow: " in log
    names = {path.name for path in (trained / "visual_train").iterdir()}
    assert names == {f"iter2_{name}.png" for name in ("ref", "other", "flow", "truth")}


def test_its_weights_can_be_measured_and_the_bundled_network_starts_from_them(config, trained, tmp_path, capsys):
    weights = trained / "iter_2_weight.pdparams"
    assert main(["-c", str(config), "--evaluate-only", "--load", str(weights)]) == 0
    assert "Metric error: " in capsys.readouterr().out
    moving = photos(make_photos(tmp_path / "photos", size=(300, 280)), gt_patch_size=256, num_frames=2)
    bundled = {
        "_base_": str(CONFIGS / "ppmsvsr_small_bundled.yaml"),
        "output_dir": str(tmp_path / "runs"),
        "pretrained": {"spynet": str(weights)},
        "dataset": {"train": {"dataset": {"name": "MixedDataset", "datasets": [moving, moving]}}, "test": None},
        "validate": {"interval": -1},
    }
    (tmp_path / "bundled.yaml").write_text(yaml.safe_dump(bundled))
    assert main(["-c", str(tmp_path / "bundled.yaml"), "--check"]) == 0
    said = capsys.readouterr().out
    assert f"spynet: starts from {weights}" in said and "lq uint8 (2, 3, 64, 64), gt uint8 (2, 3, 256, 256)" in said


def test_flow_is_not_measured_as_pictures_are(config, trained, capsys):
    options = ["-o", "validate.save_img=true", "--evaluate-only", "--load", str(trained / "iter_2_weight.pdparams")]
    assert main(["-c", str(config), *options]) != 0
    assert "validate: flow has no mirror, flicker or save_img; leave them out" in capsys.readouterr().err
