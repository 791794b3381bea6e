"""How much memory was used. Needs no Paddle: what did not need it so far does not need it for this."""

from __future__ import annotations

import sys


def resident_peak() -> int:
    """The most memory that this process has held, in bytes; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def device_peak(*, reserved: bool = False) -> int:
    """The most memory that Paddle has used on the GPU, or set aside there, in bytes; 0 without one."""
    paddle = sys.modules.get("paddle")
    if paddle is None or not paddle.device.is_compiled_with_cuda() or not paddle.device.get_device().startswith("gpu"):
        return 0
    cuda = paddle.device.cuda
    return int(cuda.max_memory_reserved() if reserved else cuda.max_memory_allocated())
