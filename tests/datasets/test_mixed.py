"""Several data sets as one."""

from collections import Counter

import numpy as np
import pytest

from ppvsr.config.build import plan
from ppvsr.data.clips import MixedDataset
from ppvsr.data.loader import LoaderOptions, batches
from ppvsr.data.photos import MovingPhotosDataset
from ppvsr.data.pipeline import NormalizeSequence, Transforms, TransposeSequence
from ppvsr.errors import ConfigError, DataError
from ppvsr.train import registry
from tests.datasets.photos import make_photos


class Named:
    """A data set whose samples are their own names."""

    def __init__(self, name, length, mirrored=False):
        self.name, self.length, self.mirrored, self.prepared = name, length, mirrored, 0

    def prepare(self, report):
        self.prepared += 1

    def __len__(self):
        return self.length

    def load(self, index, rng, span=None):
        return self.name, index

    clip = None


def counts(dataset):
    return Counter(dataset.load(index, np.random.default_rng(0)) for index in range(len(dataset)))


@pytest.mark.parametrize("shares", [[0.5, 0.5], [3, 1], [1, 3], [0.1, 0.9], None])
@pytest.mark.parametrize("lengths", [(7, 7), (3, 20), (100, 1)])
def test_an_epoch_holds_every_example_and_the_shares(lengths, shares):
    mixed = MixedDataset(datasets=[Named("a", lengths[0]), Named("b", lengths[1])], shares=shares)
    found = counts(mixed)
    assert set(found) == {(name, i) for name, length in zip("ab", lengths, strict=True) for i in range(length)}
    share = sum(number for (name, _), number in found.items() if name == "a")
    wanted = 0.5 if shares is None else shares[0] / sum(shares)
    assert abs(share - wanted * len(mixed)) <= 1
    for name in "ab":  # repetitions of one set are alike
        times = [number for (each, _), number in found.items() if each == name]
        assert max(times) - min(times) <= 1
    assert 1 in found.values()  # as short as can be


def test_three_sets_prepare_and_mirrored():
    parts = [Named("a", 2), Named("b", 2, mirrored=True), Named("c", 2)]
    mixed = MixedDataset(datasets=parts)
    mixed.prepare(print)
    assert [each.prepared for each in parts] == [1, 1, 1] and mixed.mirrored and len(mixed) == 6
    assert not MixedDataset(datasets=parts[:1]).mirrored


def test_nodes_are_nested():
    photos = {"name": "MovingPhotosDataset", "folder": "x", "num_frames": 2}
    node = {"name": "MixedDataset", "shares": [1, 2], "datasets": [photos, {"name": "RepeatDataset", "times": 2}]}
    problems = []
    assert plan(node, registry.DATASETS, "dataset.train", registry.NESTED, problems) is None
    assert problems == ["dataset.train.datasets[1]: RepeatDataset needs `dataset`"]
    node["datasets"][1]["dataset"] = photos
    mixed = plan(node, registry.DATASETS, "dataset.train", registry.NESTED, problems := [])()
    assert not problems and [type(each).__name__ for each in mixed.datasets] == ["MovingPhotosDataset", "RepeatDataset"]


def test_bytes_and_floats_are_not_mixed(tmp_path):
    folder = make_photos(tmp_path, count=1)
    other = Transforms(pipeline=[TransposeSequence(), NormalizeSequence(mean=0.5, std=1)])
    options = {"folder": folder, "num_frames": 1, "gt_patch_size": 64}
    mixed = MixedDataset(datasets=[MovingPhotosDataset(**options), MovingPhotosDataset(**options, preprocess=[other])])
    mixed.prepare(lambda line: None)
    with pytest.raises(DataError, match=r"clips of one batch must have one type: photo0 .*; normalise all data sets"):
        next(batches(mixed, LoaderOptions(batch_size=2), seed=0, first=1, last=1))


@pytest.mark.parametrize(
    ("count", "shares", "message"),
    [
        (0, [], "there must be data sets and a share for each; got 0 and 0"),
        (2, [1], "got 2 and 1"),
        (2, [1, 0], r"shares must be above 0, got \[1, 0\]"),
        (2, [1, float("nan")], "shares must be above 0"),
    ],
)
def test_wrong_shares_are_refused(count, shares, message):
    with pytest.raises(ConfigError, match=message):
        MixedDataset(datasets=[Named("a", 1)] * count, shares=shares)
