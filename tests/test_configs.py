"""Every shipped config, and the document's, means something: all keys are known and all values fit."""

from pathlib import Path

import pytest

from ppvsr.config.yaml import load
from ppvsr.errors import ConfigError
from ppvsr.train.experiment import read_experiment

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "tests/config/data/pp_msvsr_document.yaml"
CONFIGS = [*sorted((ROOT / "configs").rglob("*.yaml")), DOCUMENT]
FLOW = ROOT / "configs/spynet_tiny_photos.yaml"
REDS = ROOT / "configs/msvsr_reds.yaml"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_config_is_sound_for_training_and_for_evaluation(path):
    for training in (True, False):
        experiment = read_experiment(path, training=training)
        assert experiment.task and experiment.train and experiment.test
        assert set(experiment.metrics) == ({"error", "zero_flow"} if path == FLOW else {"psnr", "ssim"})
        assert experiment.schedule and experiment.optimizer
        for call in (
            experiment.optimizer,
            experiment.train.dataset,
            experiment.test.dataset,
            *experiment.metrics.values(),
        ):
            assert call() is not None


def test_all_fourteen_configs_are_there():
    assert {path.stem for path in CONFIGS[:-1]} == {
        "basicvsr++_reds",
        "basicvsr++_vimeo90k_BD",
        "basicvsr_reds",
        "basicvsr_vimeo90k_BI",
        "iconvsr_reds",
        "msvsr_l_reds",
        "msvsr_reds",
        "msvsr_vimeo90k_BD",
        "ppmsvsr_bundled",
        "ppmsvsr_real",
        "ppmsvsr_small_bundled",
        "ppmsvsr_small_videos",
        "ppmsvsr_small_warm",
        "spynet_tiny_photos",
    }


def test_all_mistakes_are_told_at_once_with_their_places():
    wrong = [
        "model.generator.mid_chanels=32",
        "model.generator.num_blocks='3'",
        "dataset.train.batch_sise=2",
        "dataset.train.dataset.preprocess.3.pipeline.0.scales=4",
        "optimizer.name=Adams",
        "validate.metrics.psnr.name=PSRN",
        "log_config.intervall=5",
        "total_itres=5",
    ]
    with pytest.raises(ConfigError) as caught:
        read_experiment(REDS, wrong)
    text = str(caught.value)
    for line in (
        "model.generator.mid_chanels: MSVSR has no such option; did you mean 'mid_channels'?",
        "model.generator.num_blocks: expected int, got '3'",
        "dataset.train.batch_sise: LoaderOptions has no such option; did you mean 'batch_size'?",
        "preprocess[3].pipeline[0].scales: SRPairedRandomCrop has no such option; did you mean 'scale'?",
        "optimizer.name: unknown 'Adams'; did you mean 'Adam'?",
        "validate.metrics.psnr.name: unknown 'PSRN'; did you mean 'PSNR'?",
        "log_config.intervall: LogOptions has no such option; did you mean 'interval'?",
        "total_itres: there is no such key; did you mean 'total_iters'?",
    ):
        assert line in text
    assert len(text.splitlines()) == len(wrong)


def test_what_training_needs_is_named_and_evaluation_needs_less(tmp_path):
    tree = load(REDS)
    path = tmp_path / "half.yaml"
    import yaml

    half = {key: tree[key] for key in ("model", "dataset", "validate")}
    half["dataset"] = {"test": tree["dataset"]["test"]}
    path.write_text(yaml.safe_dump(half))
    assert read_experiment(path, training=False).train is None
    with pytest.raises(ConfigError) as caught:
        read_experiment(path)
    for key in ("dataset.train", "lr_scheduler", "optimizer", "total_iters"):
        assert f"{key}: missing" in str(caught.value)


def test_a_dataset_of_another_name_than_train_or_test_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"dataset\.tests: there are `train` and `test`; did you mean 'test'\?"):
        read_experiment(REDS, ["dataset.tests={name: VSRFolderDataset}"])
