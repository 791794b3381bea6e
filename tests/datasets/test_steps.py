from collections import Counter

import numpy as np
import pytest

from ppvsr.config.build import check
from ppvsr.data.clips import ArrayFrames
from ppvsr.data.pipeline import GetNeighboringFramesIdx, Item, Preprocess, ReadImageSequence, Transforms
from ppvsr.errors import ConfigError, DataError
from tests.datasets.trees import CHOOSE, READ, TEST, TRAIN, generator, transform


def numbered(length):
    """A clip whose frame i is filled with i."""
    return ArrayFrames(np.broadcast_to(np.arange(length, dtype=np.uint8)[:, None, None, None], (length, 8, 8, 3)))


def chosen(step, length, wanted, rng):
    item = step(Item("000", numbered(length), numbered(length), wanted), rng)
    assert np.array_equal(item.lq.array(), item.gt.array())
    return tuple(int(frame[0, 0, 0]) for frame in item.lq.array())


def test_frames_start_anywhere_in_training_and_at_zero_in_evaluation():
    rng = generator(2)
    seen = Counter(chosen(CHOOSE, 6, 4, rng) for _ in range(300))
    assert set(seen) == {(0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5)}
    assert min(seen.values()) > 70
    assert chosen(CHOOSE, 6, 4, None) == (0, 1, 2, 3)


def test_n_frames_at_distance_k_need_no_more_than_they_span():
    step = GetNeighboringFramesIdx(interval_list=[3])
    assert step.needed(3) == 7
    assert chosen(step, 7, 3, generator()) == (0, 3, 6)
    with pytest.raises(DataError, match="000: has 6 frames, 3 at distance 3 do not fit"):
        chosen(step, 6, 3, generator())


def test_distances_are_drawn_from_the_list_and_directions_by_their_probability():
    step, rng = GetNeighboringFramesIdx(interval_list=[1, 2], reverse_prob=0.25), generator(4)
    seen = Counter(np.diff(chosen(step, 9, 3, rng))[0] for _ in range(400))
    assert set(seen) == {1, 2, -1, -2}
    assert abs(seen[-1] + seen[-2] - 100) < 30 and abs(seen[1] + seen[-1] - 200) < 40


def test_without_a_number_all_frames_are_taken():
    assert chosen(CHOOSE, 5, None, None) == (0, 1, 2, 3, 4)
    assert chosen(GetNeighboringFramesIdx(interval_list=[2]), 5, None, generator()) == (0, 2, 4)


def test_evaluation_gives_the_clip_unread_and_unmirrored():
    steps = [CHOOSE, *READ, transform("TransposeSequence", "MirrorVideoSequence", "NormalizeSequence")]
    preprocess = Preprocess(steps, owner="Mine")
    clip = preprocess.clip(Item("000", numbered(6), numbered(6), 4))
    assert preprocess.mirrored and not Preprocess(TEST, owner="Mine").mirrored
    assert clip.key == "000" and clip.lq.shape == (4, 8, 8, 3)


def test_the_config_check_names_options_that_only_paddlegan_has():
    assert list(check(ReadImageSequence, {"key": "lq", "to_rgb": False}, "x")) == [
        "x.to_rgb: expected Literal[True], got False"
    ]
    assert not list(check(GetNeighboringFramesIdx, {"interval_list": [1], "filename_tmpl": "{:04d}.png"}, "x"))
    assert list(check(GetNeighboringFramesIdx, {"interval_list": 1}, "x"))
    assert not list(check(Transforms, {"input_keys": ["lq", "gt"], "pipeline": list(TEST[-1].pipeline)}, "x"))


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (
            [CHOOSE, transform("TransposeSequence")],
            "Mine: preprocess must hold one ReadImageSequence for lq and one for gt",
        ),
        ([READ[0], READ[0], TEST[-1]], "one ReadImageSequence for lq and one for gt"),
        (
            [*READ, CHOOSE, TEST[-1]],
            "must be GetNeighboringFramesIdx .if any., ReadImageSequence twice, then Transforms",
        ),
        ([CHOOSE, *READ], "then Transforms; got .*ReadImageSequence"),
    ],
)
def test_steps_that_cannot_work_together_are_refused(steps, message):
    with pytest.raises(ConfigError, match=message):
        Preprocess(steps, owner="Mine")


@pytest.mark.parametrize(
    ("first", "names"),
    [
        (TRAIN[0], "SRPairedRandomCrop, PairedRandomHorizontalFlip, PairedRandomVerticalFlip, PairedRandomTransposeHW"),
        (GetNeighboringFramesIdx(interval_list=[1, 2]), "GetNeighboringFramesIdx"),
        (GetNeighboringFramesIdx(interval_list=[1], reverse_prob=0.5), "GetNeighboringFramesIdx"),
    ],
)
def test_random_steps_are_refused_in_evaluation(first, names):
    steps = TRAIN if first is TRAIN[0] else [first, *TEST[1:]]
    message = f"Mine: evaluation must not be random; remove {names} from preprocess"
    with pytest.raises(ConfigError, match=message):
        Preprocess(steps, owner="Mine", test_mode=True)
    with pytest.raises(ConfigError, match=message):
        Preprocess(steps, owner="Mine").clip(Item("000", numbered(6), numbered(6), 4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval_list": []}, "interval_list must hold 1 or more"),
        ({"interval_list": [0]}, r"interval_list must hold 1 or more, got \[0\]"),
        ({"interval_list": [1], "reverse_prob": 2}, "reverse_prob must be 0 to 1, got 2"),
        ({"interval_list": [1], "filename_tmpl": "{:08x.png"}, "filename_tmpl '{:08x.png' is no template like"),
    ],
)
def test_impossible_choices_of_frames_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        GetNeighboringFramesIdx(**options)


def test_transforms_take_the_pair_and_nothing_else():
    with pytest.raises(ConfigError, match=r"input_keys must be \[lq, gt\], got \['lq'\]"):
        Transforms(pipeline=TEST[-1].pipeline, input_keys=["lq"])
    with pytest.raises(ConfigError, match=r"output_keys must be \[lq, gt\]"):
        Transforms(pipeline=TEST[-1].pipeline, output_keys=["gt", "lq"])
