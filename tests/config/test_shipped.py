"""The YAML that the document prints means what our config means; values of the tables that PaddleGAN publishes."""

from pathlib import Path

import pytest

from ppvsr.config.yaml import dump, load, parse
from ppvsr.weights.zoo import VARIANTS

CONFIGS = Path(__file__).parents[2] / "configs"
DOCUMENT = Path(__file__).parent / "data" / "pp_msvsr_document.yaml"

PUBLISHED = {  # total_iters, rate, fix_iter, lr_mult, batch, workers, frames, Y, log, pictures, snapshot, validate
    "msvsr_reds": (150000, 2e-4, 2500, None, 2, 6, 20, False, 10, 5000, 5000, 5000),
    "msvsr_l_reds": (300000, 2e-4, 2500, None, 2, 4, 30, False, 10, 5000, 5000, 5000),
    "msvsr_vimeo90k_BD": (300000, 2e-4, -1, None, 2, 4, None, True, 10, 5000, 2500, 2500),
    "basicvsr_reds": (300000, 2e-4, 5000, 0.125, 2, 4, 15, False, 100, 500, 5000, 5000),
    "iconvsr_reds": (300000, 2e-4, 5000, 0.125, 2, 4, 15, False, 100, 500, 5000, 5000),
    "basicvsr++_reds": (600000, 1e-4, 5000, 0.25, 2, 4, 30, False, 10, 500, 5000, 5000),
    "basicvsr++_vimeo90k_BD": (600000, 1e-4, 5000, 0.25, 1, 4, None, True, 10, 500, 5000, 5000),
}


def test_the_printed_yaml_means_the_shipped_config():
    printed = load(DOCUMENT)
    assert printed == load(CONFIGS / "msvsr_reds.yaml")
    assert printed["log_config"] == {"interval": 10, "visual_interval": 5000}
    assert printed["model"]["generator"]["use_local_connect"] is True
    assert printed["lr_scheduler"]["learning_rate"] == 2e-4
    assert printed["min_max"] == [0.0, 1.0]


@pytest.mark.parametrize("name", PUBLISHED)
def test_values_are_the_published_ones(name):
    tree = load(CONFIGS / f"{name}.yaml")
    model, train, rate = tree["model"], tree["dataset"]["train"], tree["lr_scheduler"]
    data = train["dataset"]
    found = (
        *(tree["total_iters"], rate["learning_rate"], model["fix_iter"], model.get("lr_mult")),
        *(train["batch_size"], train["num_workers"], data.get("num_frames")),
        tree["validate"]["metrics"]["psnr"]["test_y_channel"],
        *(tree["log_config"]["interval"], tree["log_config"]["visual_interval"]),
        *(tree["snapshot_config"]["interval"], tree["validate"]["interval"]),
    )
    assert found == PUBLISHED[name]
    assert rate["periods"] == [tree["total_iters"]]
    assert (rate["eta_min"], rate["restart_weights"], train["times"]) == (1e-7, [1], 1000)
    assert model["pixel_criterion"] == {"name": "CharbonnierLoss", "reduction": "mean"}
    assert tree["optimizer"] == {"name": "Adam", "net_names": ["generator"], "beta1": 0.9, "beta2": 0.99}
    steps = [each["name"] for each in data["preprocess"][-1]["pipeline"]]
    assert ("MirrorVideoSequence" in steps) is (data["name"] == "VSRVimeo90KDataset")
    assert steps[0] == "SRPairedRandomCrop"


def test_a_network_of_another_class_leaves_nothing_of_the_first():
    for name, generator in {
        "basicvsr_reds": {"name": "BasicVSRNet", "mid_channels": 64, "num_blocks": 30},
        "iconvsr_reds": {"name": "IconVSR", "mid_channels": 64, "num_blocks": 30},
        "basicvsr++_reds": {"name": "BasicVSRPlusPlus", "mid_channels": 64, "num_blocks": 7, "is_low_res_input": True},
    }.items():
        assert load(CONFIGS / f"{name}.yaml")["model"]["generator"] == generator


@pytest.mark.parametrize(
    ("name", "variant"), [("msvsr_l_reds", "PPMSVSRLarge"), ("ppmsvsr_small_videos", "PPMSVSRSmall")]
)
def test_sizes_are_those_of_the_published_variants(name, variant):
    generator = load(CONFIGS / f"{name}.yaml")["model"]["generator"]
    normal = load(CONFIGS / "msvsr_reds.yaml")["model"]["generator"]
    assert generator == {**normal, **VARIANTS[variant].options}


@pytest.mark.parametrize("name", ["ppmsvsr_bundled", "ppmsvsr_real"])
def test_the_bundled_network_is_the_published_one(name):
    tree, normal = (load(CONFIGS / f"{each}.yaml")["model"]["generator"] for each in (name, "msvsr_reds"))
    assert tree == normal


def test_small_videos_never_sees_the_films_that_it_is_tested_on():
    data = load(CONFIGS / "ppmsvsr_small_videos.yaml")["dataset"]
    train, test = data["train"]["dataset"], data["test"]
    assert (train["folder"], train["skip"], train["cache"]) == (test["folder"], test["names"], test["cache"])


def test_the_recipe_of_mindediting():
    tree = load(CONFIGS / "basicvsr_vimeo90k_BI.yaml")
    assert (tree["epochs"], tree["dataset"]["train"]["batch_size"]) == (37, 8)
    assert tree["model"]["lr_mult"] == 0.125
    assert tree["lr_scheduler"]["by_epoch"] is True
    assert tree["lr_scheduler"]["periods"] == [37]
    assert (tree["validate"]["frames"], tree["validate"]["mirror"]) == ("middle", True)


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: path.stem)
def test_the_log_of_a_run_holds_the_config_that_ran(path):
    tree = load(path)
    assert parse(dump(tree), "log") == tree
