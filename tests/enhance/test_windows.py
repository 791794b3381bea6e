"""Windows tile the stream exactly once, in order, with context, and hold no more than they must."""

import itertools

import pytest

from ppvsr.enhance.engine import windows


def test_every_item_is_kept_once_with_context():
    cases = 0
    for count, size, overlap in itertools.product(range(40), range(1, 12), range(6)):
        if 2 * overlap >= size:
            continue
        kept = []
        for items, keep in windows(range(count), size, overlap):
            assert items == list(range(items[0], items[0] + len(items))) and len(items) <= size
            assert items[keep], "no window without purpose"
            for item in items[keep]:
                assert item - items[0] >= min(overlap, item)
                assert items[-1] - item >= min(overlap, count - 1 - item)
            kept += items[keep]
        assert kept == list(range(count))
        cases += 1
    assert cases > 1000


def test_a_window_is_yielded_as_soon_as_it_can_be():
    read = []
    stream = (read.append(i) or i for i in itertools.count())
    next(windows(stream, 5, 1))
    assert read == [0, 1, 2, 3, 4, 5]  # the sixth proves that the first window is not the last


@pytest.mark.parametrize(("size", "overlap"), [(4, 2), (1, 1), (3, -1)])
def test_impossible_overlap_is_refused(size, overlap):
    with pytest.raises(ValueError, match="must be less than half of the window size"):
        next(windows([1, 2, 3], size, overlap))
