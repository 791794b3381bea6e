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


def drifting_grain(count, *, side=256, length=4.5, level=12, speed=1.2, heading=195, seed=0):
    """Return the truth of a video on which bundled PPMSVSR `bi` of today fails: fine grey grain that drifts slowly.

    The frames are (side, side, 3). length: GT pixels under which there is no detail.  level: standard deviation.
    speed: GT pixels a frame, towards `heading` degrees (0 is right, 90 is down).
    """
    down, across = np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)
    grain = np.fft.fft2(np.random.default_rng(seed).standard_normal((side, side)))
    grain *= np.exp(-2 * (np.hypot(down, across) * length) ** 2)
    grain[0, 0] = 0
    grain *= level / np.fft.ifft2(grain).real.std()
    step = speed * np.exp(1j * np.radians(heading))
    frames = []
    for i in range(count):
        moved = np.fft.ifft2(grain * np.exp(-2j * np.pi * i * (across * step.real + down * step.imag))).real
        frames.append(np.clip(np.rint(128 + moved), 0, 255).astype(np.uint8)[..., None].repeat(3, 2))
    return frames


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
