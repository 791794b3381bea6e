"""Whoever starts a thread joins it, and errors come back to the caller."""

import threading
import time

import pytest

from ppvsr.enhance.chunks import Outbox, _patiently, prefetch


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def failing(count):
    yield from range(count)
    raise OSError("source broke")


def test_prefetch_keeps_order():
    assert list(prefetch(range(1000), 3)) == list(range(1000))


def test_prefetch_runs_ahead_by_its_depth_only():
    made = []
    stream = prefetch((made.append(i) or i for i in range(100)), 4)
    next(stream)
    time.sleep(0.2)
    assert 4 <= len(made) <= 7
    stream.close()


def test_prefetch_raises_the_source_error_after_the_good_items():
    seen = []
    with pytest.raises(OSError, match="source broke"):
        for item in prefetch(failing(5), 2):
            seen.append(item)
    assert seen == list(range(5))


def test_prefetch_stops_when_the_caller_fails():
    with pytest.raises(RuntimeError, match="body"):
        for _ in (stream := prefetch(range(10**9), 2)):
            raise RuntimeError("body")
    stream.close()


def test_outbox_writes_all_in_order():
    written = []
    with Outbox(written.append, 2) as box:
        for i in range(500):
            box.put(i)
    assert written == list(range(500))


def test_outbox_raises_the_writer_error_even_for_the_last_item():
    def write(item):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), Outbox(write, 8) as box:
        box.put(1)


def test_outbox_stops_the_producer_soon():
    def write(item):
        raise OSError("disk full")

    put = 0
    with pytest.raises(OSError, match="disk full"), Outbox(write, 2) as box:
        for put in range(100):
            box.put(put)
            time.sleep(0.01)
    assert put < 50


def test_outbox_drops_what_waits_when_the_body_fails():
    written = []

    def write(item):
        time.sleep(0.05)
        written.append(item)

    with pytest.raises(RuntimeError, match="body"), Outbox(write, 100) as box:
        for i in range(100):
            box.put(i)
        raise RuntimeError("body")
    assert len(written) < 10


def test_a_second_ctrl_c_does_not_end_the_waiting_for_a_thread():
    class Impatient(threading.Event):
        interrupts = 2

        def wait(self, timeout=None):
            if self.interrupts:
                self.interrupts -= 1
                raise KeyboardInterrupt
            self.set()
            return True

    done = Impatient()
    assert isinstance(_patiently(done), KeyboardInterrupt) and done.is_set()


def test_an_outbox_that_is_full_when_the_work_fails_ends_all_the_same():
    go = threading.Event()
    box = Outbox(lambda item: go.wait(5), 1)
    with pytest.raises(RuntimeError, match="network"), box:
        box.put(1)
        box.put(2)
        go.set()
        raise RuntimeError("network")
