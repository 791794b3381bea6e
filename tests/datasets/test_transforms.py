import numpy as np
import pytest

from ppvsr.config.build import check
from ppvsr.data import pipeline
from ppvsr.data.clips import ArrayFrames
from ppvsr.data.pipeline import (
    MirrorVideoSequence,
    NormalizeSequence,
    PairedRandomHorizontalFlip,
    PairedRandomTransposeHW,
    PairedRandomVerticalFlip,
    SRPairedRandomCrop,
    TransposeSequence,
)
from ppvsr.errors import ConfigError, DataError
from tests.datasets.trees import generator, transform

NAMES = [
    name for name, value in vars(pipeline).items() if hasattr(value, "spatial") and name not in {"Chance", "Transform"}
]


def pair(height=12, width=16, frames=3, scale=2):
    """GT of noise, and LQ as its every second pixel: what is at the same place stays recognisable."""
    gt = generator(7).integers(0, 256, (frames, height * scale, width * scale, 3), np.uint8)
    return gt[:, ::scale, ::scale], gt


def test_every_transform_accepts_the_keys_that_documents_write():
    assert len(NAMES) == 7, NAMES
    for name in NAMES:
        needed = {"scale": 4, "gt_patch_size": 256} if name == "SRPairedRandomCrop" else {}
        factory = getattr(pipeline, name)
        assert not list(check(factory, {**needed, "keys": ["image", "image"]}, "x"))
        assert list(check(factory, {**needed, "keys": ["lq"]}, "x"))
        assert list(check(factory, {**needed, "nothing": 1}, "x"))


@pytest.mark.parametrize(
    ("step", "change"),
    [
        (PairedRandomHorizontalFlip, lambda a: a[:, :, ::-1]),
        (PairedRandomVerticalFlip, lambda a: a[:, ::-1]),
        (PairedRandomTransposeHW, lambda a: a.transpose(0, 2, 1, 3)),
    ],
)
def test_flips_change_both_clips_alike_with_their_probability(step, change):
    lq, gt = pair()
    for probability, expected in ((0, 0), (1, 200), (0.5, 100)):
        changed, rng = 0, generator(3)
        for _ in range(200):
            new_lq, new_gt = step(prob=probability)(lq, gt, rng)
            assert np.array_equal(new_gt, change(gt)) == np.array_equal(new_lq, change(lq))
            assert new_gt is gt or np.shares_memory(new_gt, gt)
            changed += np.array_equal(new_lq, change(lq))
        assert abs(changed - expected) <= (25 if probability == 0.5 else 0)


def test_a_crop_takes_the_same_place_of_both_and_every_place_now_and_then():
    lq, gt = pair()
    crop, rng, places = SRPairedRandomCrop(scale=2, gt_patch_size=20), generator(1), set()
    for _ in range(300):
        small, large = crop(ArrayFrames(lq), ArrayFrames(gt), rng)
        assert small.shape == (3, 10, 10, 3) and large.shape == (3, 20, 20, 3)
        assert np.array_equal(large.array()[:, ::2, ::2], small.array())
        places.add(small.array().tobytes())
    assert len(places) == 3 * 7  # both borders included


def test_cropping_unread_clips_equals_cropping_arrays():
    lq, gt = pair()
    crop = SRPairedRandomCrop(scale=2, gt_patch_size=8)
    lazy, eager = crop(ArrayFrames(lq), ArrayFrames(gt), generator(5)), crop(lq, gt, generator(5))
    for one, other in zip(lazy, eager, strict=True):
        assert np.array_equal(one.array(), other)


def test_mirroring_appends_the_clip_backwards():
    lq, gt = pair()
    for new, old in zip(MirrorVideoSequence()(ArrayFrames(lq), gt, generator()), (lq, gt), strict=True):
        assert new.shape[0] == 6
        assert np.array_equal(new[:3], old) and np.array_equal(new[3:], old[::-1])


def test_zero_and_255_leave_bytes_alone_and_all_else_is_float32():
    lq, gt = (clip.transpose(0, 3, 1, 2) for clip in pair())
    for options in ({}, {"mean": [0.0, 0.0, 0.0], "std": [255.0, 255.0, 255.0]}, {"mean": 0, "std": 255}):
        same = NormalizeSequence(**options)(lq, gt, generator())
        assert same[0] is lq and same[1] is gt
    new, _ = NormalizeSequence(mean=[10, 20, 30], std=2)(lq, gt, generator())
    assert new.dtype == np.float32
    assert np.array_equal(new, (lq.astype(np.float32) - np.float32([10, 20, 30])[:, None, None]) / 2)


def test_a_pair_of_other_sizes_is_refused_with_both_sizes():
    lq, gt = pair()
    with pytest.raises(
        DataError, match="LQ is 16x12, GT is 32x24; SRPairedRandomCrop expects GT to be 4 times as large"
    ):
        SRPairedRandomCrop(scale=4, gt_patch_size=8)(lq, gt, generator())
    with pytest.raises(DataError, match="LQ is 16x12, GT is 32x24: smaller than gt_patch_size 26; lower it"):
        SRPairedRandomCrop(scale=2, gt_patch_size=26)(lq, gt, generator())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SRPairedRandomCrop(scale=3, gt_patch_size=256), "gt_patch_size 256 must be a multiple of scale 3"),
        (lambda: SRPairedRandomCrop(scale=0, gt_patch_size=256), "multiple of scale 0"),
        (lambda: PairedRandomVerticalFlip(prob=1.5), "PairedRandomVerticalFlip: prob must be between 0 and 1, got 1.5"),
        (lambda: TransposeSequence(order=[0, 1, 2]), r"order must be \[2, 0, 1\].*got \[0, 1, 2\]"),
        (lambda: NormalizeSequence(mean=[1, 2]), r"mean must be one number or three, got \[1, 2\]"),
        (lambda: NormalizeSequence(std=0), "std must not be 0"),
        (lambda: transform("crop"), "needs one TransposeSequence, got .*SRPairedRandomCrop"),
        (lambda: transform("TransposeSequence", "TransposeSequence"), "needs one TransposeSequence"),
        (lambda: transform("TransposeSequence", "crop"), "SRPairedRandomCrop must stand before TransposeSequence"),
        (lambda: transform("NormalizeSequence", "TransposeSequence"), "NormalizeSequence must stand after"),
    ],
)
def test_options_that_cannot_work_are_refused_at_once(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
