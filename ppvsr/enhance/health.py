"""Is what a network computed sound? If not, it is computed again in the safest way there is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import paddle
from paddle import Tensor

from ppvsr.errors import PpvsrError
from ppvsr.video.frames import Frame, Image

T = TypeVar("T")

PLAIN = 8 / 255  # of the range: what varies less may well become a picture of one colour, such as noise in black
STRIDE = 16  # of the pixels that are looked at first


@dataclass(frozen=True)
class Fault:
    """What is wrong with the picture of a frame. fatal: whether it cannot be shown."""

    frame: Frame
    seen: str
    fatal: bool

    def __str__(self) -> str:
        return f"the frame at {float(self.frame.time):.3f} s {self.seen}"


class Guard:
    """Lets a computation pass, or has it done again.

    safer: switches the network, for good, to what computes most safely; None when it already does.
    say: hears what was seen and done, a line each time that something new happens.
    """

    def __init__(self, safer: Callable[[], Any] | None, say: Callable[[str], Any]) -> None:
        self._safer = safer
        self._say = say
        self._told = False

    def __call__(self, attempt: Callable[[], tuple[T, Fault | None]]) -> T:
        """Return the result of `attempt`, which can be run again, and says what is wrong with its result.

        Raises PpvsrError when the result is unfit for use and there is no safer way to it.
        """
        result, fault = attempt()
        if fault and self._safer:
            self._say(f"{fault}; it is computed again by Paddle's own operators, and so is all that follows")
            safer, self._safer = self._safer, None
            safer()
            result, fault = attempt()
        if fault and fault.fatal:
            raise PpvsrError(
                f"{fault}; the likely cause are the weights, damaged or of a training that diverged:"
                " try others (--weights)"
            )
        if fault and not self._told:
            self._say(f"{fault}; Paddle's own operators say so, too: it is kept, as are others like it")
            self._told = True
        return result


def unsound(tensors: Iterable[Tensor]) -> int | None:
    """Return the index of the first tensor in which something is infinite or no number; None when all are sound."""
    # a sum needs no memory, and one number that is not finite makes it so
    return next((i for i, x in enumerate(tensors) if not bool(paddle.isfinite(x.sum()))), None)


def lost(picture: Image, source: Image) -> bool:
    """Return whether a picture is of one colour although what it was made from, of the same type, is not."""
    if not picture.size or (picture[::STRIDE, ::STRIDE] != picture[0, 0]).any() or (picture != picture[0, 0]).any():
        return False
    low, high = source.min(axis=(0, 1)).astype(int), source.max(axis=(0, 1)).astype(int)
    return bool((high - low).max() >= PLAIN * np.iinfo(source.dtype).max)
