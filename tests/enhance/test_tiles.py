"""Tiles cover the picture exactly, with the promised context."""

import itertools

import pytest

from ppvsr.enhance.plan import spans, tiles


def test_spans_cover_every_length_with_context():
    cases = 0
    for length, size, overlap in itertools.product(range(1, 60), range(1, 24), range(12)):
        if not 2 * overlap < size <= length:
            continue
        cut = spans(length, size, overlap)
        assert [i for span in cut for i in range(span.first, span.last)] == list(range(length))
        for span in cut:
            assert span.start >= 0 and span.start + size <= length
            assert span.first - span.start >= min(overlap, span.first)
            assert span.start + size - span.last >= min(overlap, length - span.last)
        cases += 1
    assert cases > 3000


def test_no_more_tiles_than_needed():
    assert len(spans(100, 40, 10)) == 4  # kept: 30 + 20 + 20 + 30
    assert len(spans(100, 100, 0)) == 1


def test_every_pixel_is_kept_once():
    seen = [[0] * 23 for _ in range(17)]
    for rows, columns in tiles(17, 23, (8, 10), 2):
        for y, x in itertools.product(range(rows.first, rows.last), range(columns.first, columns.last)):
            seen[y][x] += 1
    assert all(count == 1 for row in seen for count in row)


def test_impossible_tiles_are_refused():
    with pytest.raises(ValueError, match="cannot cover 10 by tiles of 4 that overlap by 2"):
        spans(10, 4, 2)
