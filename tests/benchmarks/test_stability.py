"""What the benchmarks of soundness make and count; what they measure is for people to run."""

import json

import numpy as np
import pytest

from benchmarks import seams
from benchmarks.content import CONTENTS, TEXTURES, Recipe, change, draw, make, read, shrunk
from benchmarks.seams import Seam, overall
from benchmarks.stability import Bench, Result, States, backward_steps, badness, guarded, summary
from benchmarks.stability_chart import draw_chart
from ppvsr.enhance.network import choose_stages
from ppvsr.resize import resize
from tests.films import make_film


@pytest.mark.parametrize("name", CONTENTS)
def test_every_content_is_the_same_each_time_and_has_its_size(name):
    frames = make(CONTENTS[name], 3, 16)
    assert all(frame.shape == (64, 64, 3) and frame.dtype == np.uint8 for frame in frames)
    assert all(np.array_equal(a, b) for a, b in zip(frames, make(CONTENTS[name], 3, 16), strict=True))
    still = name.startswith("still")
    assert np.array_equal(frames[0], frames[2]) == still
    assert frames[0].std() > 5


@pytest.mark.parametrize("heading", [0, 90, 180])
def test_a_pan_moves_by_lq_pixels_towards_its_heading(heading):
    before, after = make(Recipe("clouds", pan=2, heading=heading), 2, 16)
    across, down = {0: (8, 0), 90: (0, 8), 180: (-8, 0)}[heading]
    moved = np.roll(before, (down, across), (0, 1))[8:-8, 8:-8]
    assert np.abs(moved.astype(int) - after[8:-8, 8:-8]).max() <= 1


def test_cuts_flashes_and_noise_come_when_the_recipe_says():
    cut = make(Recipe("clouds", cut=2), 4, 16)
    assert np.array_equal(cut[0], cut[1]) and np.array_equal(cut[2], cut[3]) and not np.array_equal(cut[1], cut[2])
    means = [frame.mean() for frame in make(Recipe("clouds", flash=3), 6, 16)]
    assert means[0] == means[1] == means[3] and means[2] == means[5] > means[0] + 30
    a, b = (frame.astype(float) for frame in make(Recipe("grain", contrast=0.1, noise=10), 2, 32))
    assert (a - b).std() == pytest.approx(10 * 2**0.5, rel=0.05)


def test_recipes_are_drawn_and_changed_by_chance_alone():
    first, second = (draw(np.random.default_rng(5)) for _ in range(2))
    assert first == second and first.texture in TEXTURES
    changed = change(first, np.random.default_rng(6))
    assert changed == change(first, np.random.default_rng(6)) != first
    assert changed.texture == first.texture


def test_a_photograph_can_be_the_texture(tmp_path):
    import cv2

    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8))
    frames = make(draw(np.random.default_rng(0), [path]), 2, 16)
    assert frames[0].shape == (64, 64, 3) and frames[0].std() > 2


def test_lq_is_bicubic_or_compressed(tmp_path):
    truth = make(Recipe("leaves", pan=1), 3, 64)
    clean, coded = shrunk(truth), shrunk(truth, 25)
    assert np.array_equal(clean[1], resize(truth[1], 64, 64))
    assert [each.shape for each in coded] == [(64, 64, 3)] * 3 and not np.array_equal(clean[1], coded[1])


def test_a_video_is_shrunk_cropped_and_played_forth_and_back(tmp_path):
    film = make_film(tmp_path / "film.mp4", 3, height=96, width=160)
    frames = read(film, 8, 16)
    assert [frame.shape for frame in frames] == [(64, 64, 3)] * 8
    same = [[np.array_equal(a, b) for b in frames[:3]] for a in frames]
    assert [row.index(True) for row in same] == [0, 1, 2, 1, 0, 1, 2, 1]


def test_steps_are_counted_to_the_end_of_the_block():
    assert list(backward_steps(8, 5, 2, True)) == [4, 3, 2, 4, 3, 2, 1, 0]
    assert list(backward_steps(4, 5, 2, True)) == [3, 2, 1, 0]
    assert list(backward_steps(7, 5, 1, False)) == [4, 3, 2, 1, 2, 1, 0]


def result(gain, sizes=None, departures=None):
    gain = np.array(gain, float)
    departures = np.ones(len(gain)) if departures is None else np.array(departures, float)
    return Result("x", np.full(len(gain), 30.0), gain, np.arange(len(gain))[::-1], States(sizes or {}), 0.1, departures)


def test_what_the_guard_would_have_seen_is_counted():
    found = result([1, -0.5, -1.5, -9], departures=[3, 4, 15, 40])
    assert guarded([found]) == "guard: 2 sound frames depart by up to 4.0 (limit 16); 1 of 2 others are caught"


def test_the_worst_frame_the_share_under_bicubic_and_the_gain_by_step_are_reported():
    found = result([-3, -0.04, -0.06, 1])
    assert (found.worst, found.under) == (0, 0.5)
    assert found.by_step() == [(0, 1.0, 1.0), (1, -0.06, -0.06), (2, -0.04, -0.04), (3, -3.0, -3.0)]
    tree = json.loads(json.dumps(found.tree()))
    assert tree["worst_frame"] == 0 and tree["worst"] == -3 and tree["states"] == {}
    lines = summary([found, result([1, 1, 1, 1])])
    assert (
        "25.00% of 8 frames under bicubic, worst -3.00 dB (x, frame 0)" in lines[0] and lines[-1].split()[-1] == "-3.00"
    )


def test_growth_is_late_over_early_and_makes_a_result_worse():
    growing = {"stage3_backward": [(step, 0.1, 1.0 if step < 10 else 2.0 ** (step - 9)) for step in range(14)]}
    flat = {"stage3_backward": [(step, 0.1, 1.0) for step in range(14)]}
    assert States(growing).growth("backward") == 16 and States(growing).growth("forward") == 1
    assert badness(result([1, 1], growing)) > badness(result([1, 1], flat)) == 0
    assert badness(result([-2, 1], flat)) == 2


def test_a_network_is_run_measured_and_its_states_are_seen(tmp_path):
    (stage,) = choose_stages("PPMSVSRSmall", "bi")
    bench = Bench(stage, 4, 1, streaming=True, backend="dygraph", threads=1)
    found = bench.run("grain", make(CONTENTS["grain that drifts"], 6, 64))
    assert len(found.gain) == len(found.bicubic) == 6 and list(found.steps) == [3, 2, 1, 2, 1, 0]
    assert found.gain.min() > 0 and str(found).startswith("grain ")
    sizes = found.states.sizes
    assert sorted(sizes) == ["stage2_backward", "stage2_forward", "stage3_backward", "stage3_forward"]
    assert [step for step, _, _ in sizes["stage3_forward"]] == list(range(6))  # carried on, each frame once
    assert [step for step, _, _ in sizes["stage3_backward"]] == [2, 1, 0, 2, 1, 0]  # the newest frame has to wait
    assert all(0 < mean < largest for states in sizes.values() for _, mean, largest in states)
    pytest.importorskip("matplotlib")
    draw_chart([{"variant": "v", "weights": "w", "way": "x", "contents": [found.tree()]}], tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_seams_looks_at_every_clip_of_a_folder_and_names_the_worst(tmp_path):
    for name in ("b.mp4", "a.mkv", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "pictures").mkdir()
    found = seams.clips([tmp_path, tmp_path / "pictures"])
    assert [path.name for path in found] == ["a.mkv", "b.mp4", "pictures"]
    assert {path.name for path in seams.clips([seams.DEMO])} == {"bee_160x90.mp4", "bee_640x360_truth.mp4"}
    both = [Seam("a", (60.0, 50.0), 1.0), Seam("b", (40.0, 70.0), 1.0)]
    assert str(both[0]) == "mean 55.0 dB, worst 50.0 dB (frame 1), 1.00x the time"
    assert overall(both) == "mean 55.0 dB, worst 40.0 dB (b, frame 0)"
    frames = seams.read(make_film(tmp_path / "c.mp4", 2, height=32, width=48), 2, 24)
    assert [frame.shape for frame in frames] == [(16, 24, 3)] * 2
