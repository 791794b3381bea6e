"""Frames, plans and networks whose answers are known."""

from fractions import Fraction

import numpy as np
import paddle

from ppvsr.enhance.plan import Limits, Plan
from ppvsr.video.frames import Frame


def film(count, height, width, dtype=np.uint8):
    rng = np.random.default_rng(0)
    top = np.iinfo(dtype).max
    for i in range(count):
        image = rng.integers(0, top, (height, width, 3), dtype=dtype, endpoint=True)
        yield Frame(image, Fraction(i, 25), Fraction(1, 25))


def plan(height, width, *, window=5, overlap=1, tile=None, limits=None, streaming=False):
    limits = limits or Limits()
    tile = tile or (limits.padded(height), limits.padded(width))
    return Plan(height, width, limits, window, overlap, tile, 0, streaming)


def enlarged(image):
    """What `nearest` and `Repeater` make of a picture."""
    return image.repeat(4, 0).repeat(4, 1)


def nearest(lq):
    """A network whose answer is known: every pixel repeated four times in both directions."""
    return (lq.repeat_interleave(4, 3).repeat_interleave(4, 4),)


class Held:
    """The state of a Repeater: frames whose pictures are not known yet, and the newest one that was known."""

    def __init__(self, frames=(), newest=None):
        self.frames = frames
        self.newest = newest

    def tensors(self):
        return [x for x in (*self.frames, self.newest) if x is not None]


class Repeater:
    """A stream network that repeats pixels; it remembers how it was called."""

    def __init__(self):
        self.calls = []  # (frames given, whether they were the last, height and width)
        self.given = 0

    def extend(self, state, frames, *, last, look_ahead):
        state = state or Held()
        self.calls.append((len(frames), last, tuple(frames[0].shape[2:])))
        self.given += len(frames)
        known = (*state.frames, *frames)
        count = len(known) if last else max(len(known) - look_ahead, 0)
        pictures = [nearest(x.unsqueeze(1))[0][:, 0] for x in known[:count]]
        return pictures, Held(known[count:], known[count - 1] if count else state.newest)


def spoilt(picture):
    """Put a number that is none into a picture."""
    return paddle.where(paddle.arange(picture.shape[-1]) == 3, paddle.full_like(picture, float("nan")), picture)
