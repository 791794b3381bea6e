"""How long samples are, step by step."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from ppvsr.data.clips import MixedDataset, RepeatDataset
from ppvsr.data.folders import VSRREDSMultipleGTDataset
from ppvsr.data.loader import LoaderOptions, batches
from ppvsr.data.photos import KnownFlowDataset, MovingPhotosDataset, draw_path
from ppvsr.data.pipeline import (
    GetNeighboringFramesIdx,
    Item,
    MirrorVideoSequence,
    Preprocess,
    Transforms,
    TransposeSequence,
)
from ppvsr.data.spans import OWN, Span, Spans, forth_and_back
from ppvsr.errors import ConfigError
from ppvsr.train.setup import check_sizes
from tests.datasets.photos import make_photos
from tests.datasets.test_steps import numbered
from tests.datasets.trees import CHOOSE, READ, TRAIN, reds, silent, transform


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    dataset = MovingPhotosDataset(folder=make_photos(tmp_path_factory.mktemp("photos")), num_frames=3, gt_patch_size=64)
    dataset.prepare(silent)
    return dataset


def rng(seed=0):
    return np.random.default_rng(seed)


def test_lengths_grow_with_the_steps_that_are_finished():
    spans = Spans([[0, 6], [2000, 12], [6000, 30]])
    lengths = [spans.at(step, 0, seed=3).learned for step in (1, 2000, 2001, 6000, 6001, 10**6)]
    assert lengths == [6, 6, 12, 12, 30, 30] and spans.longest() == Span(30)
    assert Spans().at(1, 0, seed=3) == OWN == Spans().longest()


def test_warm_frames_lie_anywhere_around_the_part_and_follow_from_step_and_seed():
    spans = Spans(warm_frames=4)
    found = [spans.at(step, part, seed=1) for step in range(1, 1001) for part in range(2)]
    assert found == [spans.at(step, part, seed=1) for step in range(1, 1001) for part in range(2)]
    assert found != [spans.at(step, part, seed=2) for step in range(1, 1001) for part in range(2)]
    assert any(one != other for one, other in zip(found[::2], found[1::2], strict=True))
    sums = Counter(span.before + span.after for span in found)
    assert set(sums) == set(range(5)) and min(sums.values()) > 300
    assert {(span.before, span.after) for span in found} >= {(0, 4), (4, 0), (2, 2)}
    befores, afters = ([getattr(span, side) for span in found] for side in ("before", "after"))
    assert abs(np.mean(befores) - np.mean(afters)) < 0.15


def test_the_part_is_what_the_warm_frames_leave():
    assert Span(None, 2, 3).count(6) == 11 and Span(4, 2, 3).count(6) == 9
    assert Span(None, 2, 3).part(11) == range(2, 8) and Span(4, 0, 1).part(5) == range(4)
    assert Span(4).part(4) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lengths": [[5, 6]]}, "steps must begin with 0 and rise, got \\[5\\]"),
        ({"lengths": [[0, 6], [9, 8], [9, 10]]}, "steps must begin with 0 and rise"),
        ({"lengths": [[0, 0]]}, "expected pairs"),
        ({"lengths": [[0]]}, "expected pairs"),
        ({"lengths": [[]]}, "expected pairs"),
        ({"warm_frames": -1}, "warm_frames: expected 0 or more, got -1"),
    ],
)
def test_impossible_spans_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        LoaderOptions(**options)


def test_numbers_go_forth_and_back_without_saying_the_ends_twice():
    assert forth_and_back(0, 8, 3) == [0, 1, 2, 1, 0, 1, 2, 1]
    assert forth_and_back(3, 4, 4) == [3, 2, 1, 0]
    assert forth_and_back(0, 3, 1) == [0, 0, 0]
    assert forth_and_back(2, 4, 9) == [2, 3, 4, 5]


def chosen(step, length, wanted, span, rng):
    item = step(Item("000", numbered(length), numbered(length), wanted, span=span), rng)
    return [int(frame[0, 0, 0]) for frame in item.lq.array()]


def test_a_clip_that_is_too_short_for_a_span_goes_forth_and_back():
    assert chosen(CHOOSE, 4, 2, Span(None, 2, 3), None) == [0, 1, 2, 3, 2, 1, 0]
    draw = rng(1)
    starts = Counter(tuple(chosen(CHOOSE, 4, 2, Span(None, 2, 3), draw)[:2]) for _ in range(300))
    assert set(starts) == {(0, 1), (1, 2), (2, 3), (3, 2), (2, 1), (1, 0)} and min(starts.values()) > 25
    step = GetNeighboringFramesIdx(interval_list=[2])
    assert chosen(step, 6, 2, Span(4), None) == [0, 2, 4, 4]
    assert chosen(CHOOSE, 9, 2, Span(None, 2, 3), None) == [0, 1, 2, 3, 4, 5, 6]


def test_every_data_set_gives_what_a_span_asks_for(photos, tmp_path):
    folders = VSRREDSMultipleGTDataset(**reds(tmp_path), num_frames=3, preprocess=TRAIN)
    folders.prepare(silent)
    repeated = RepeatDataset(dataset=folders, times=2)
    mixed = MixedDataset(datasets=[photos])
    for dataset in (folders, repeated, photos, mixed):
        for span, count in ((OWN, 3), (Span(5), 5), (Span(None, 20, 10), 33), (Span(2, 1, 0), 3)):
            sample = dataset.load(1, rng(), span)
            assert len(sample["lq"]) == len(sample["gt"]) == count
        one, other = dataset.load(1, rng()), dataset.load(1, rng(), OWN)
        assert np.array_equal(one["gt"], other["gt"]) and np.array_equal(one["lq"], other["lq"])


def test_a_long_way_over_a_photograph_is_no_faster_than_a_short_one():
    picture = rng(2).integers(0, 256, (300, 300, 3)).astype(np.uint8)
    for seed in range(20):
        path = draw_path(picture, 64, rng(seed))
        calm = path.calmed(9)
        for time in (0, 4):
            speed, later = path.speed + path.acceleration * time, calm.speed + calm.acceleration * 9 * time
            assert np.allclose(speed, later)
        assert calm.growth * 9 == pytest.approx(path.growth)
        assert np.array_equal(path.calmed(1.0).view(picture, 3), path.view(picture, 3))


def test_what_cannot_have_lengths_says_so(photos):
    with pytest.raises(ConfigError, match="KnownFlowDataset: gives pairs"):
        KnownFlowDataset(dataset=photos).load(0, rng(), Span(3))
    item = Item("000", numbered(9), numbered(9), span=Span(3))
    for steps, reason in (
        ([*READ, transform("TransposeSequence")], "no GetNeighboringFramesIdx in preprocess"),
        ([CHOOSE, *READ, Transforms(pipeline=[TransposeSequence(), MirrorVideoSequence()])], "MirrorVideoSequence in"),
    ):
        with pytest.raises(ConfigError, match=f"Mine: lengths and warm_frames cannot be had with {reason}"):
            Preprocess(steps, owner="Mine").sample(item, rng())


def test_a_network_without_states_has_no_use_for_warm_frames(photos):
    assert check_sizes(photos, SimpleNamespace(scale=4), 0, Span(5)).startswith("photo0: lq uint8 (5, 3, 16, 16)")
    with pytest.raises(ConfigError, match=r"dataset.train.warm_frames: SimpleNamespace has no states"):
        check_sizes(photos, SimpleNamespace(scale=4), 0, Span(None, 5))


def spans_of(dataset, options, **order):
    """Return, by step and micro-batch, the frames, the part and the pixels."""
    steps = batches(dataset, options, **{"seed": 5, "first": 1, "last": 6, "accumulate": 2, **order})
    return [[(batch.lq.shape[1], batch.part, batch.lq.numpy()) for batch in step] for step in steps]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_know_their_part_and_resuming_is_exact(photos, workers):
    dataset = RepeatDataset(dataset=photos, times=20)
    options = LoaderOptions(2, workers, lengths=[[0, 2], [3, 4]], warm_frames=5)
    whole = spans_of(dataset, options)
    for number, step in enumerate(whole, start=1):
        for count, part, _ in step:
            part = part or range(count)
            assert len(part) == (2 if number <= 3 else 4) and part.stop <= count <= len(part) + 5
    assert len({(count, part) for step in whole for count, part, _ in step}) > 4
    rest = spans_of(dataset, options, first=4)
    for step, again in zip(whole[3:], rest, strict=True):
        for one, other in zip(step, again, strict=True):
            assert one[:2] == other[:2] and np.array_equal(one[2], other[2])


def test_all_ranks_have_the_same_parts(photos):
    dataset = RepeatDataset(dataset=photos, times=20)
    whole = spans_of(dataset, LoaderOptions(4, warm_frames=5))
    for rank in range(2):
        share = spans_of(dataset, LoaderOptions(2, warm_frames=5), rank=rank, world=2)
        for step, own in zip(whole, share, strict=True):
            for one, other in zip(step, own, strict=True):
                assert one[:2] == other[:2] and np.array_equal(one[2][2 * rank : 2 * rank + 2], other[2])


def test_without_options_batches_are_as_ever(photos):
    dataset = RepeatDataset(dataset=photos, times=20)
    assert all(part is None and count == 3 for step in spans_of(dataset, LoaderOptions(2)) for count, part, _ in step)
