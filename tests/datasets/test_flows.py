"""Pairs with known flow: the flow carries one picture onto the other."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from ppvsr.data.loader import LoaderOptions, batches
from ppvsr.data.photos import KnownFlowDataset, MovingPhotosDataset, draw_flow, inside, moved
from ppvsr.errors import ConfigError, DataError
from tests.datasets.photos import make_photos


def ready(folder, **options):
    photos = MovingPhotosDataset(folder=folder, num_frames=1, gt_patch_size=128)
    dataset = KnownFlowDataset(dataset=photos, **options)
    dataset.prepare(lambda line: None)
    return dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_photos(tmp_path_factory.mktemp("photos"), size=(192, 160))


def rng(seed=0):
    return np.random.default_rng(seed)


def errors(sample):
    """The mean difference of `ref` and `other` where it counts, with and without the flow."""
    ref, other = (half.transpose(1, 2, 0) for half in np.split(sample["lq"][0], 2))
    flow, counts = sample["gt"][0, :2], sample["gt"][0, 2]
    y, x = np.mgrid[0 : ref.shape[0], 0 : ref.shape[1]].astype(np.float32)
    warped = cv2.remap(np.ascontiguousarray(other), x + flow[0], y + flow[1], cv2.INTER_CUBIC)
    far = [(np.abs(each.astype(float) - ref).mean(2) * counts).sum() / counts.sum() for each in (warped, other)]
    return SimpleNamespace(with_flow=far[0], without=far[1])


def test_the_flow_of_a_sample_carries_other_onto_ref(folder):
    dataset = ready(folder)
    found = [errors(dataset.load(seed % 3, rng(seed))) for seed in range(30)]
    assert np.mean([each.with_flow for each in found]) < 0.25 * np.mean([each.without for each in found])
    assert all(each.with_flow < each.without for each in found if each.without > 4)


def test_a_sample_is_a_pair_its_flow_and_what_counts(folder):
    dataset = ready(folder)
    assert len(dataset) == 3 and not dataset.mirrored
    counted = []
    for seed in range(20):
        sample = dataset.load(0, rng(seed))
        assert sample["lq"].shape == (1, 6, 32, 32) and sample["lq"].dtype == np.uint8
        assert sample["gt"].shape == (1, 3, 32, 32) and sample["gt"].dtype == np.float32
        assert sample["gt"][:, 2].min() >= 0 and sample["gt"][:, 2].max() <= 1
        counted.append(sample["gt"][:, 2].mean())
    assert 0.5 < np.mean(counted) < 0.99  # something is always hidden or outside


def test_what_is_hidden_or_outside_does_not_count(folder):
    """There the flow leads to something else, so that the difference is larger than where it counts."""
    beside, on = [], []
    for seed in range(30):
        sample = ready(folder).load(0, rng(seed))
        turned = {**sample, "gt": sample["gt"].copy()}
        turned["gt"][:, 2] = sample["gt"][:, 2] < 0.02
        if turned["gt"][:, 2].sum() > 10:
            beside.append(errors(turned).with_flow)
            on.append(errors(sample).with_flow)
    assert len(beside) > 5 and np.mean(beside) > 3 * np.mean(on)


def test_a_sample_depends_on_index_and_rng_only_and_a_clip_on_the_index(folder):
    first, second = ready(folder), ready(folder)
    first.load(1, rng(5))
    one, two, other = first.load(0, rng(1)), second.load(0, rng(1)), second.load(0, rng(2))
    assert (one["lq"] == two["lq"]).all() and (one["gt"] == two["gt"]).all() and (one["gt"] != other["gt"]).any()
    clip, again = first.clip(2), second.clip(2)
    assert clip.lq.shape == (1, 32, 32, 6) and clip.gt.shape == (1, 32, 32, 3)
    assert (clip.lq.array() == again.lq.array()).all() and (clip.gt.array() == again.gt.array()).all()


def test_speed_multiplies_motions(folder):
    slow, fast = (ready(folder, speed=speed) for speed in (0.25, 1.0))
    assert draw_flow((8, 9), 0.25, rng(3)) == pytest.approx(draw_flow((8, 9), 1.0, rng(3)) / 4, rel=1e-5)
    lengths = [
        np.mean([np.hypot(*each.load(0, rng(seed))["gt"][0, :2]).mean() for seed in range(20)]) for each in (slow, fast)
    ]
    assert lengths[0] == pytest.approx(lengths[1] / 4, rel=0.1)


def test_moved_and_inside_follow_the_flow():
    plane = np.random.default_rng(0).random((6, 8)).astype(np.float32)
    flow = np.stack([np.full((6, 8), 2, np.float32), np.full((6, 8), -1, np.float32)])
    assert moved(plane, flow)[1:, :6] == pytest.approx(plane[:5, 2:], abs=1e-6)
    assert inside(flow).sum() == 5 * 6


def test_the_loader_makes_batches_of_them(folder):
    options = LoaderOptions(batch_size=3)
    ((batch,),) = list(batches(ready(folder), options, seed=0, first=1, last=1))
    assert batch.lq.shape == [3, 1, 6, 32, 32] and batch.gt.shape == [3, 1, 3, 32, 32]


class Given:
    """A data set that gives one array."""

    mirrored = False

    def __init__(self, gt):
        self.gt = gt

    def prepare(self, report):
        pass

    def __len__(self):
        return 1

    def load(self, index, rng, span=None):
        return {"lq": self.gt, "gt": self.gt, "key": "given"}


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="scale must be 1 or more, got 0"):
        KnownFlowDataset(dataset=Given(None), scale=0)
    with pytest.raises(ConfigError, match="speed must be above 0, got 0"):
        KnownFlowDataset(dataset=Given(None), speed=0)
    with pytest.raises(DataError, match="given: KnownFlowDataset needs bytes"):
        KnownFlowDataset(dataset=Given(np.zeros((1, 3, 16, 16), np.float32))).load(0, rng())
    with pytest.raises(DataError, match="given: GT of 18x16 cannot be divided by scale 4"):
        KnownFlowDataset(dataset=Given(np.zeros((1, 3, 16, 18), np.uint8))).load(0, rng())
