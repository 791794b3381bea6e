"""Cuts between scenes: found where they are, and not in flashes, pans and fades."""

import cv2
import numpy as np
import pytest

from ppvsr.video.scenes import SceneDetector, mark_cuts


def find_cuts(frames):
    return [number for number, (_, cut) in enumerate(mark_cuts(frames, lambda frame: frame)) if cut]


def scene(seed, count, *, speed=1, height=72, width=128, light=1.0):
    """A window that moves over a large smooth picture, `speed` pixels a frame."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 40, 3)).astype(np.uint8)
    whole = cv2.resize(coarse, (width * 12, height), interpolation=cv2.INTER_CUBIC)
    return [(whole[:, i * speed : i * speed + width] * light).astype(np.uint8) for i in range(count)]


def test_hard_cuts_are_found_where_they_are():
    assert find_cuts(scene(1, 12) + scene(2, 9) + scene(3, 10)) == [12, 21]


def test_a_film_of_one_scene_has_no_cut():
    assert find_cuts(scene(1, 40)) == []


@pytest.mark.parametrize("length", [1, 2])
def test_a_flash_is_no_cut(length):
    frames = scene(1, 30)
    for i in range(12, 12 + length):
        frames[i] = np.maximum(frames[i], 240)
    assert find_cuts(frames) == []


def test_a_cut_beside_a_flash_is_found():
    frames = scene(1, 12) + scene(2, 12)
    frames[5] = np.maximum(frames[5], 240)
    assert find_cuts(frames) == [12]


@pytest.mark.parametrize("speed", [8, 16, 24])
def test_a_fast_pan_is_no_cut(speed):
    assert find_cuts(scene(1, 40, speed=speed)) == []


def test_a_fade_to_black_and_a_dissolve_are_no_cuts():
    first, second = scene(1, 25), scene(2, 25)
    fade = [(frame * (1 - i / 24)).astype(np.uint8) for i, frame in enumerate(first)]
    dissolve = [
        cv2.addWeighted(a, 1 - i / 24, b, i / 24, 0) for i, (a, b) in enumerate(zip(first, second, strict=True))
    ]
    assert find_cuts(fade) == []
    assert find_cuts(dissolve) == []


def test_answers_come_two_frames_late_and_one_for_every_frame():
    detector = SceneDetector()
    counts = [len(detector.push(frame)) for frame in scene(1, 5)]
    assert counts == [0, 0, 1, 1, 1]
    assert detector.finish() == [False, False]
    assert detector.finish() == []


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10])
def test_every_frame_comes_through_in_order(count):
    frames = list(enumerate(scene(1, count)))
    marked = list(mark_cuts(iter(frames), lambda frame: frame[1]))
    assert [number for (number, _), _ in marked] == list(range(count))
    assert not any(cut for _, cut in marked)


def test_a_cut_before_the_last_frame_is_found():
    assert find_cuts(scene(1, 12) + scene(2, 1)) == [12]


def test_scenes_are_not_shorter_than_min_length():
    frames = scene(1, 12) + scene(2, 4) + scene(3, 12)
    detector = SceneDetector(min_length=3)
    assert find_cuts(frames) == [12]
    assert [n for n, (_, cut) in enumerate(mark_cuts(frames, lambda frame: frame, detector)) if cut] == [12, 16]


def test_a_higher_threshold_finds_less():
    frames = scene(1, 12) + scene(2, 12)
    assert not any(cut for _, cut in mark_cuts(frames, lambda frame: frame, SceneDetector(threshold=200)))


def test_sixteen_bits_are_judged_like_eight():
    frames = scene(1, 12) + scene(2, 12)
    assert find_cuts([frame.astype(np.uint16) * 257 for frame in frames]) == [12]
    assert find_cuts([frame.astype(np.uint16) * 257 for frame in scene(1, 24, speed=8)]) == []
