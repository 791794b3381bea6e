"""Several items are worked on at once, and come out in order; threads and errors end where they began."""

import threading

import pytest

from ppvsr.enhance.chunks import in_order


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.mark.parametrize("workers", [None, 1, 3, 50])
def test_results_come_in_order(workers):
    assert list(in_order(lambda n: n * n, range(40), workers)) == [n * n for n in range(40)]


def test_so_many_are_worked_on_at_once():
    meeting = threading.Barrier(3, timeout=20)  # nobody passes alone
    assert list(in_order(lambda n: meeting.wait() >= 0 and n, range(6), 3)) == list(range(6))


def test_items_are_not_fetched_far_ahead():
    fetched = []
    for result in in_order(lambda n: n, (fetched.append(n) or n for n in range(50)), 3):
        assert len(fetched) <= result + 4


def test_errors_of_the_work_are_raised_in_their_place():
    seen = []
    with pytest.raises(ZeroDivisionError):
        for result in in_order(lambda n: 1 // (3 - n), range(10), 2):
            seen.append(result)
    assert len(seen) == 3


def test_errors_of_the_source_are_raised():
    def failing():
        yield 1
        raise OSError("source broke")

    with pytest.raises(OSError, match="source broke"):
        list(in_order(lambda n: n, failing(), 2))


def test_closing_early_ends_the_threads():
    stream = in_order(lambda n: n, range(100), 2)
    assert next(stream) == 0
    stream.close()
