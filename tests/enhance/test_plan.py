"""The plan keeps its promise about memory, cuts no more than it must, and says what cannot be done."""

import re

import pytest

from ppvsr.enhance.plan import TILE_OVERLAP, Cost, Limits, count_tiles, make_plan
from ppvsr.errors import PpvsrError, UsageError
from ppvsr.system.machine import format_size, free_memory

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


STREAM = {**OPTIONS, "window": 20, "streaming": True}


def test_streams_need_their_look_ahead():
    assert make_plan(180, 320, memory=64 * GB, **STREAM).streaming
    text = str(make_plan(180, 320, memory=64 * GB, **STREAM))
    assert text.startswith("windows of 20 frames, 18 of them new, with 2 of look-ahead, whole frames")
    assert not make_plan(180, 320, memory=64 * GB, **{**STREAM, "overlap": 0}).streaming
    assert not make_plan(180, 320, memory=64 * GB, **{**STREAM, "streaming": False}).streaming


def test_short_windows_come_before_tiles_where_they_compute_less():
    """Streams lose little by them, windows much."""
    memory = int(2.4 * GB)
    stream = make_plan(180, 320, memory=memory, shorten=True, **STREAM)
    assert stream.count == 1 and 7 <= stream.window < 20 and stream.overlap == 2
    assert f"windows of {stream.window} frames" in str(stream) and "(memory is short: 20 and 2 otherwise)" in str(
        stream
    )
    windows = make_plan(180, 320, memory=memory, shorten=True, **{**STREAM, "streaming": False, "overlap": 5})
    assert windows.count > 1 and windows.window > 13


def test_windows_are_never_shortened_against_the_users_will():
    plan = make_plan(180, 320, memory=int(2.4 * GB), **STREAM)
    assert plan.window == 20 and plan.count > 1 and "memory is short" not in str(plan)


def test_less_memory_means_shorter_windows_then_less_overlap_then_an_error():
    options = {**STREAM, "cost": Cost(4000, 10000, carried=300), "overlap": 5, "shorten": True, "least_overlap": 2}
    plans = []
    for size in range(8000, 0, -100):
        try:
            plans.append(make_plan(360, 640, memory=size * 2**20, **options))
        except PpvsrError as error:
            assert re.search(
                r"640x360 in windows of 7 frames needs about .* in the smallest tiles.*: allow more", str(error)
            )
            break
    else:
        pytest.fail("nothing was refused")
    assert all(plan.peak <= size for plan, size in zip(plans, range(8000 * 2**20, 0, -100 * 2**20), strict=False))
    assert plans[0].overlap == 5 and plans[-1].window <= 8 and plans[-1].overlap == 2
    assert [plan.overlap for plan in plans] == sorted((plan.overlap for plan in plans), reverse=True)
    assert all(plan.window >= 2 * plan.overlap + 3 for plan in plans)
    work = [
        plan.count * plan.tile[0] * plan.tile[1] * plan.window / (plan.window - (2 - plan.streaming) * plan.overlap)
        for plan in plans
    ]
    same = [(a, b) for a, b, p, q in zip(work, work[1:], plans, plans[1:], strict=False) if p.overlap == q.overlap]
    assert all(a <= b for a, b in same)  # never more computing than need be


def test_streams_that_would_carry_too_much_make_way_for_windows():
    light, heavy = (
        make_plan(1080, 1920, memory=12 * GB, **{**STREAM, "cost": Cost(1000, 20000, carried=carried)})
        for carried in (50, 1500)
    )
    assert light.streaming and light.peak <= 12 * GB
    assert not heavy.streaming and heavy.peak <= 12 * GB
    tiles = [
        make_plan(1080, 1920, memory=18 * GB, **{**STREAM, "cost": Cost(1000, 20000, carried=c)}) for c in (0, 500)
    ]
    assert all(plan.streaming and plan.peak <= 18 * GB for plan in tiles) and tiles[0].count < tiles[1].count


def test_free_memory_is_plausible():
    assert 2**26 < free_memory() < 2**46
    assert format_size(1.5 * GB) == "1.5 GB" and format_size(2**20) == "1 MB"
