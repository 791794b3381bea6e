"""Which tensors of a program that is being made surely have the plain layout.

ppvsr's own operators read and write the plain layout. What Paddle Inference computes by oneDNN may have another, which
only `paddle.assign` brings back, by a copy. What comes from an own operator or from outside needs none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import paddle
from paddle import Tensor

_plain: ContextVar[dict[int, Tensor] | None] = ContextVar("plain", default=None)


@contextmanager
def remembered() -> Iterator[None]:
    """Remember what `known_plain` is told for as long as the context lasts."""
    token = _plain.set({})
    try:
        yield
    finally:
        _plain.reset(token)


def known_plain(x: Tensor) -> Tensor:
    """Return `x`, which has the plain layout."""
    if (known := _plain.get()) is not None:
        known[id(x)] = x  # kept, so that nothing else gets its number
    return x


def plain(x: Tensor) -> Tensor:
    """Return `x` for an own operator: in a program, in the plain layout."""
    known = _plain.get()
    if paddle.in_dynamic_mode() or (known is not None and id(x) in known):
        return x
    return paddle.assign(x)
