"""The plan keeps its promise about memory, cuts no more than it must, and says what cannot be done."""

import re

import pytest

from ppvsr.enhance.memory import format_size, free_memory
from ppvsr.enhance.plan import TILE_OVERLAP, Cost, Limits, count_tiles, make_plan
from ppvsr.errors import PpvsrError, UsageError

GB = 2**30
COST = Cost(per_frame=1000, per_pass=20000)
OPTIONS = {"limits": Limits(min_size=64), "cost": COST, "window": 10, "overlap": 2}


def test_whole_frames_when_they_fit():
    plan = make_plan(180, 320, memory=64 * GB, **OPTIONS)
    assert plan.tile == (180, 320) and plan.count == 1
    assert "whole frames of 320x180" in str(plan)


@pytest.mark.parametrize("memory", [9 * GB, 11 * GB, 14 * GB])
@pytest.mark.parametrize("size", [(720, 1280), (1280, 720), (1080, 1920), (1081, 1923)])
def test_tiles_keep_within_the_memory(size, memory):
    limits = Limits(min_size=64, size_multiple=4)
    plan = make_plan(*size, memory=memory, **{**OPTIONS, "limits": limits, "cost": Cost(3000, 30000)})
    assert plan.peak <= memory
    assert plan.count > 1
    assert all(
        side % 4 == 0 and 2 * TILE_OVERLAP < side <= whole for side, whole in zip(plan.tile, plan.padded, strict=True)
    )
    assert f"{plan.count} tiles of {plan.tile[1]}x{plan.tile[0]}" in str(plan)


def test_more_memory_never_means_more_tiles():
    counts = [make_plan(1080, 1920, memory=gb * GB, **OPTIONS).count for gb in (9, 10, 11, 14, 20, 40, 100)]
    assert counts == sorted(counts, reverse=True) and counts[-1] == 1 and counts[0] >= 4


def test_small_frames_are_padded():
    plan = make_plan(1, 30, memory=4 * GB, **OPTIONS)
    assert plan.padded == plan.tile == (64, 64)
    assert count_tiles(plan.padded, plan.tile) == 1


def test_too_little_memory_is_said_with_the_amounts():
    with pytest.raises(PpvsrError, match=r"1920x1080 in windows of 10 frames needs about .* GB even .* 1\.0 GB may be"):
        make_plan(1080, 1920, memory=GB, **OPTIONS)


def test_impossible_overlap_names_the_flags():
    with pytest.raises(UsageError, match=re.escape("--num_frames must be at least 11, or --overlap at most 4")):
        make_plan(180, 320, memory=GB, **{**OPTIONS, "overlap": 5})


def test_free_memory_is_plausible():
    assert 2**26 < free_memory() < 2**46
    assert format_size(1.5 * GB) == "1.5 GB" and format_size(2**20) == "1 MB"
