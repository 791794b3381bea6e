import ctypes
import os
from contextlib import contextmanager
from pathlib import Path

import paddle
import pytest

from ppvsr.ops import build, native


@pytest.fixture(scope="session")
def operator():
    """Compile the own operators, into the cache of this machine; where there is a compiler, that must work."""
    try:
        build.built(native.SOURCES)
    except build.BuildError as error:
        pytest.skip(f"no operator can be had on this machine: {error}")
    assert native.load() is None


@pytest.fixture
def threads():
    """Return a context manager that lets the own operators run on a number of threads."""
    runtime = Path(paddle.sysconfig.get_lib()) / "libiomp5.so"
    if not runtime.is_file():
        pytest.skip("Paddle has no OpenMP runtime of its own here")
    set_threads = ctypes.CDLL(str(runtime)).omp_set_num_threads

    @contextmanager
    def use(number):
        set_threads(number)
        try:
            yield
        finally:
            set_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))

    return use
