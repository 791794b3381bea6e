"""Photographs set in motion."""

import numpy as np
import pytest

from ppvsr.data.degrade import Noise
from ppvsr.data.photos import MovingPhotosDataset, draw_ellipse, draw_path
from ppvsr.data.pipeline import GetNeighboringFramesIdx, PairedRandomHorizontalFlip, Transforms, TransposeSequence
from ppvsr.errors import ConfigError, DataError
from ppvsr.resize import resize
from tests.datasets.photos import make_photos


def ready(folder, **options):
    dataset = MovingPhotosDataset(folder=folder, **{"num_frames": 4, "gt_patch_size": 64, **options})
    dataset.prepare(lambda line: None)
    return dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_photos(tmp_path_factory.mktemp("photos"))


def rng(seed=0):
    return np.random.default_rng(seed)


def test_a_sample_moves_and_its_low_resolution_is_matlabs(folder):
    dataset = ready(folder)
    assert len(dataset) == 3 and not dataset.mirrored
    for seed in range(4):
        sample = dataset.load(1, rng(seed))
        assert sample["lq"].shape == (4, 3, 16, 16) and sample["gt"].shape == (4, 3, 64, 64)
        assert sample["lq"].dtype == sample["gt"].dtype == np.uint8 and sample["key"] == "photo1"
        for lq, gt in zip(sample["lq"], sample["gt"], strict=True):
            assert (lq == resize(gt.transpose(1, 2, 0), 16, 16).transpose(2, 0, 1)).all()
        for one, next_one in zip(sample["gt"][:-1], sample["gt"][1:], strict=True):
            assert (one != next_one).mean() > 0.5


def test_a_sample_depends_on_index_and_rng_only(folder):
    first, second = ready(folder), ready(folder)
    first.load(2, rng(7))
    one, two, other = first.load(0, rng(1)), second.load(0, rng(1)), second.load(0, rng(2))
    assert (one["gt"] == two["gt"]).all() and (one["lq"] == two["lq"]).all()
    assert (one["gt"] != other["gt"]).any()


def test_in_about_half_of_the_samples_something_else_moves_in_front(folder, tmp_path):
    """With one photograph of one colour and many of another, what moves in front is what has the other colour."""
    import cv2

    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((64, 64, 3), np.uint8))
    for name in "bcdefghij":
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((64, 64, 3), 255, np.uint8))
    dataset = ready(str(tmp_path), num_frames=1)
    mixed = sum(dataset.load(0, rng(seed))["gt"].max() > 0 for seed in range(60))
    assert 15 < mixed < 40  # 27 are expected: half of them, times nine tenths


def test_a_clip_is_the_same_every_time(folder):
    one, two = ready(folder).clip(1), ready(folder).clip(1)
    assert one.key == "photo1" and one.gt.shape == (4, 64, 64, 3) and one.lq.shape == (4, 16, 16, 3)
    assert (one.gt.array() == two.gt.array()).all() and (one.lq.array() == two.lq.array()).all()


def test_degradation_and_preprocess_work_as_for_films(folder):
    flip = Transforms(pipeline=[PairedRandomHorizontalFlip(prob=1), TransposeSequence()])
    plain, flipped = ready(folder).load(0, rng()), ready(folder, preprocess=[flip]).load(0, rng())
    assert (plain["gt"][..., ::-1] == flipped["gt"]).all()
    noisy = ready(folder, degradation=[Noise(gaussian=30)]).load(0, rng())
    assert np.abs(noisy["lq"].astype(int) - plain["lq"]).mean() > 3
    assert ready(folder, preprocess=[GetNeighboringFramesIdx(interval_list=[2])]).load(0, rng())["gt"].shape[0] == 4


def test_names_and_skip_choose_photographs(folder, tmp_path):
    (tmp_path / "list.txt").write_text("photo1\n")
    assert len(ready(folder, names=str(tmp_path / "list.txt"))) == 1
    assert len(ready(folder, skip=str(tmp_path / "list.txt"))) == 2
    (tmp_path / "list.txt").write_text("photo\n")
    with pytest.raises(DataError, match=r"photographs that are not in the folder\n'photo'; did you mean 'photo"):
        ready(folder, names=str(tmp_path / "list.txt"))


def test_what_cannot_be_is_refused(folder, tmp_path):
    with pytest.raises(DataError, match=r"photo0.png: is 120x96; patches of 128 do not fit"):
        ready(folder, gt_patch_size=128)
    with pytest.raises(DataError, match="holds no photographs"):
        ready(str(tmp_path))
    with pytest.raises(ConfigError, match="gt_patch_size 66 must be a multiple of scale 4"):
        ready(folder, gt_patch_size=66)
    with pytest.raises(ConfigError, match="num_frames must be 1 or more, got 0"):
        ready(folder, num_frames=0)


def test_a_way_without_zoom_and_turn_shows_the_picture_itself():
    picture = np.random.default_rng(0).integers(0, 256, (90, 120, 3)).astype(np.uint8)
    path = draw_path(picture, 32, rng())
    from dataclasses import replace

    still = replace(path, speed=np.array([2.0, 1.0]), acceleration=np.zeros(2), angle=0, turn=0, zoom=1, growth=0)
    left, top = (path.start - 15.5).astype(int)
    assert 0 <= left <= 88 and 0 <= top <= 58
    assert (still.view(picture, 0) == picture[top : top + 32, left : left + 32]).all()
    if left + 34 <= 120 and top + 33 <= 90:
        assert (still.view(picture, 1) == picture[top + 1 : top + 33, left + 2 : left + 34]).all()


def test_an_ellipse_moves_with_its_speed():
    from dataclasses import replace

    ellipse = replace(draw_ellipse((60, 80), rng()), center=(30, 20), axes=(8, 5), speed=(3.0, -2.0))
    first, later = ellipse.mask(0, soft=False), ellipse.mask(2, soft=False)
    assert set(np.unique(first)) == {0, 1} and (np.roll(first, (-4, 6), (0, 1)) == later).all()
