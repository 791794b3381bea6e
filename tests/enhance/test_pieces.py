"""Pieces: every frame is kept once, context stays inside its scene, and nothing is held that need not be."""

import random
import weakref
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from ppvsr.enhance.chunks import LONGEST_REST, pieces, run
from ppvsr.video.frames import Frame


def film(count, cuts=()):
    """Frames that are told apart by their time; the first of a film may or may not be marked as a cut."""
    for number in range(count):
        yield Frame(np.zeros((1, 1, 3), np.uint8), Fraction(number)), number in cuts


def numbers(items):
    return [(int(frame.time), kept) for frame, kept in items]


def cut_up(count, cuts, size, context):
    return [(piece.number, numbers(piece)) for piece in pieces(film(count, cuts), size=size, context=context)]


def expected(count, cuts, size, context):
    """The same by a rule that knows the whole film."""
    found = []
    borders = [0, *sorted(set(cuts) - {0}), count]
    for begin, end in pairwise(borders):
        first = begin
        while first < end:
            last = min(first + size, end)
            last = end if end - last <= min(size // 4, LONGEST_REST) else last
            before, after = max(first - context, begin), min(last + context, end)
            found.append((len(found), [(n, first <= n < last) for n in range(before, after)]))
            first = last
    return found


def random_films(count):
    rng = random.Random(7)
    for _ in range(count):
        length = rng.randrange(0, 120)
        cuts = {rng.randrange(length) for _ in range(rng.randrange(6))} if length else set()
        yield rng, length, cuts, rng.choice([1, 2, 3, 4, 5, 8, 16, 30, 64, 200]), rng.choice([0, 0, 1, 2, 3, 7, 40])


def test_a_long_scene_is_cut_into_pieces_with_context_on_both_sides():
    assert cut_up(8, (), 3, 1) == [
        (0, [(0, True), (1, True), (2, True), (3, False)]),
        (1, [(2, False), (3, True), (4, True), (5, True), (6, False)]),
        (2, [(5, False), (6, True), (7, True)]),
    ]


def test_context_does_not_cross_a_cut():
    assert cut_up(5, {3}, 10, 4) == [
        (0, [(0, True), (1, True), (2, True)]),
        (1, [(3, True), (4, True)]),
    ]


@pytest.mark.parametrize(
    ("length", "kept"), [(64, [64]), (70, [70]), (80, [80]), (81, [64, 17]), (144, [64, 80]), (145, [64, 64, 17])]
)
def test_a_short_rest_of_a_scene_is_kept_by_the_piece_before_it(length, kept):
    found = cut_up(length + 9, {length}, 64, 2)
    assert [sum(keep for _, keep in items) for _, items in found] == [*kept, 9]


def test_large_pieces_look_ahead_no_farther_than_small_ones():
    found = cut_up(1017, (), 1000, 0)
    assert [len(items) for _, items in found] == [1000, 17]


def test_no_frames_are_no_pieces():
    assert list(pieces(iter(()), size=4, context=2)) == []


def test_any_film_is_cut_by_the_rule_and_every_frame_is_kept_once():
    for _, length, cuts, size, context in random_films(1500):
        found = cut_up(length, cuts, size, context)
        assert found == expected(length, cuts, size, context), (length, cuts, size, context)
        assert [n for _, items in found for n, kept in items if kept] == list(range(length))


def test_what_is_left_of_a_piece_does_not_change_the_pieces_after_it():
    for rng, length, cuts, size, context in random_films(1500):
        whole = cut_up(length, cuts, size, context)
        for piece, (number, items) in zip(pieces(film(length, cuts), size=size, context=context), whole, strict=True):
            taken = rng.randrange(len(items) + 1)
            assert piece.number == number
            assert numbers(item for item, _ in zip(piece, range(taken), strict=False)) == items[:taken]


def test_a_piece_whose_reader_was_closed_is_still_drained():
    def reader(piece):
        yield from piece

    found = []
    for piece in pieces(film(9), size=3, context=1):
        reading = reader(piece)
        found.append(next(int(frame.time) for frame, kept in reading if kept))
        reading.close()
    assert found == [0, 3, 6]


def test_a_piece_can_be_gone_on_with_but_not_read_twice():
    for piece in pieces(film(4), size=4, context=0):
        assert next(iter(piece))[0].time == 0
        assert [n for n, _ in numbers(piece)] == [1, 2, 3]
        assert list(piece) == []


@pytest.mark.parametrize(("size", "context"), [(4, 0), (16, 2), (64, 2), (1000, 5), (8, 30)])
def test_few_frames_are_held_whatever_the_size(size, context):
    pulled, read = 0, 0

    def counted():
        nonlocal pulled
        for item in film(3000, {700, 705}):
            pulled += 1
            yield item

    for piece in pieces(counted(), size=size, context=context):
        for frame, _ in piece:
            read = max(read, int(frame.time))
            assert pulled - read <= max(context, min(size // 4, 16) + 1) + 1
    assert pulled == 3000


def test_frames_are_let_go_of_when_they_are_no_longer_needed():
    images = []

    class Image(np.ndarray):
        pass

    def watched():
        for number in range(400):
            image = np.zeros((1, 1, 3), np.uint8).view(Image)
            images.append(weakref.ref(image))
            yield Frame(image, Fraction(number)), number in (100, 250)
            del image

    most = 0
    for piece in pieces(watched(), size=64, context=3):
        for _ in piece:
            most = max(most, sum(image() is not None for image in images))
    assert 2 * 3 < most <= 2 * 3 + 20


def test_a_failing_source_is_raised_by_the_piece_that_pulled():
    def failing():
        yield from film(10)
        raise OSError("source broke")

    stream = pieces(failing(), size=4, context=1)
    assert len(list(next(stream))) == 5
    assert len(list(next(stream))) == 6
    with pytest.raises(OSError, match="source broke"):
        list(next(stream))


def test_a_failing_source_is_raised_when_the_next_piece_is_asked_for():
    def failing():
        yield from film(3)
        raise OSError("source broke")

    stream = pieces(failing(), size=4, context=1)
    next(stream)
    with pytest.raises(OSError, match="source broke"):
        next(stream)


@pytest.mark.parametrize(("size", "context"), [(0, 0), (-1, 2), (4, -1)])
def test_impossible_sizes_are_refused_at_once(size, context):
    with pytest.raises(ValueError, match="there must be 1 and 0 at least"):
        pieces(iter(()), size=size, context=context)


def late(frames):
    """A chain that holds two frames back."""
    held = []
    for frame in frames:
        held.append(frame)
        if len(held) > 2:
            yield held.pop(0)
    yield from held


@pytest.mark.parametrize("chain", [iter, late, lambda frames: iter(list(frames))])
def test_running_all_pieces_gives_every_frame_once(chain):
    for _, length, cuts, size, context in random_films(60):
        results = [
            int(frame.time)
            for piece in pieces(film(length, cuts), size=size, context=context)
            for frame in run(piece, chain)
        ]
        assert results == list(range(length))


def test_a_chain_that_loses_or_invents_frames_is_an_error():
    items = [item for piece in pieces(film(6), size=6, context=0) for item in piece]
    with pytest.raises(ValueError, match="the chain gave 1 frames less than it was given"):
        list(run(items, lambda frames: iter(list(frames)[1:])))
    with pytest.raises(ValueError, match="the chain gave more frames than it was given"):
        list(run(items, lambda frames: (frame for frame in [*frames] * 2)))
