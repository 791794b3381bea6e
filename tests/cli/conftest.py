"""A tiny tree like REDS, and a config of a tiny network on it."""

import pytest
import yaml

from tests.datasets.trees import reds

STEPS = [
    {"name": "GetNeighboringFramesIdx", "interval_list": [1]},
    {"name": "ReadImageSequence", "key": "lq"},
    {"name": "ReadImageSequence", "key": "gt"},
]
ENDS = [{"name": "TransposeSequence"}, {"name": "NormalizeSequence", "mean": [0, 0, 0], "std": [255, 255, 255]}]
CROP = {"name": "SRPairedRandomCrop", "gt_patch_size": 256, "scale": 4}


def transforms(*names):
    return [*STEPS, {"name": "Transforms", "input_keys": ["lq", "gt"], "pipeline": [*names, *ENDS]}]


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """Five clips of four frames, of which two are for tests: `official` is not among them."""
    return reds(tmp_path_factory.mktemp("reds"), keys=("000", "001", "002", "011", "020"), frames=4, size=(64, 64))


@pytest.fixture
def config(tree, tmp_path):
    return write_config(tree, tmp_path)


def write_config(tree, folder):
    network = {"name": "MSVSR", "mid_channels": 4, "num_init_blocks": 1, "num_blocks": 1, "stage1_groups": 2}
    network |= {"num_reconstruction_blocks": 1, "deform_groups": 2}
    train = {"name": "VSRREDSMultipleGTDataset", "num_frames": 2, **tree, "preprocess": transforms(CROP)}
    test = {"name": "VSRREDSMultipleGTDataset", "num_frames": 3, "test_mode": True, **tree, "preprocess": transforms()}
    content = {
        "total_iters": 3,
        "output_dir": str(folder / "runs"),
        "pretrained": {"spynet": None},
        "ema_decay": 0.9,
        "model": {
            "name": "MultiStageVSRModel",
            "fix_iter": 1,
            "generator": network,
            "pixel_criterion": {"name": "CharbonnierLoss", "reduction": "mean"},
        },
        "dataset": {"train": {"name": "RepeatDataset", "times": 2, "batch_size": 1, "dataset": train}, "test": test},
        "lr_scheduler": {"name": "CosineAnnealingRestartLR", "learning_rate": 1e-3, "periods": [3], "eta_min": 1e-7},
        "optimizer": {"name": "Adam", "net_names": ["generator"], "beta1": 0.9, "beta2": 0.99},
        "validate": {"interval": -1, "metrics": {"psnr": {"name": "PSNR"}, "ssim": {"name": "SSIM"}}},
        "log_config": {"interval": 1, "visiual_interval": 2},
        "snapshot_config": {"interval": 1, "keep": 2},
    }
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(content))
    return path
