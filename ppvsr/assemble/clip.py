"""From pictures in memory to larger pictures in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ppvsr.assemble.stages import Backend, Cut, Engine, choose_stages, make_enhancer, plan_stage
from ppvsr.errors import UsageError
from ppvsr.framework import use_device
from ppvsr.video.frames import Frame, Image


def enhance_frames(
    frames: Iterable[Image],
    variant: str = "PPMSVSR",
    weights: str | Path | None = None,
    *,
    num_frames: int | None = None,
    overlap: int | None = None,
    memory: int | None = None,
    device: str | None = None,
    backend: Backend = "auto",
    threads: int | None = None,
    streaming: bool = True,
) -> Iterator[Image]:
    """Yield the frames of a clip, four times larger, one for one and in order.

    frames: RGB (h, w, 3) uint8 or uint16, all of one size; any iterable, however long.  Yields (4h, 4w, 3) of the same
    type.  variant, weights: as on the command line.  num_frames, overlap: the windows.  memory: bytes that may be used.
    backend: auto, compiled or dygraph.  threads: of the CPU.  streaming: whether networks that can go on where they
    stopped do so, instead of window by window.
    Raises UsageError at once for names that do not exist, and for frames of another form when they come; PpvsrError for
    results that are not finite, which counts frames as seconds.
    """
    cut, engine = Cut(num_frames, overlap, memory, streaming), Engine(backend, threads)
    (stage,) = choose_stages(variant, weights, cut)

    def checked() -> Iterator[Frame]:
        first: tuple[tuple[int, ...], np.dtype] | None = None
        for i, frame in enumerate(frames):
            image: Any = np.asarray(frame)
            first = first or (image.shape, image.dtype)
            rgb = image.ndim == 3 and image.shape[2] == 3 and image.size and image.dtype in (np.uint8, np.uint16)
            if not rgb or (image.shape, image.dtype) != first:
                form = f"{image.dtype} of {image.shape}"
                raise UsageError(f"frame {i} is {form}: frames must be RGB (h, w, 3), uint8 or uint16, all alike")
            yield Frame(image, Fraction(i))

    def enhanced() -> Iterator[Image]:
        stream = checked()
        first = next(stream, None)
        if first is None:
            return
        if stage.variant.arch:
            use_device(device)
        height, width = first.image.shape[:2]
        bits = 8 * first.image.dtype.itemsize
        enhance = make_enhancer(stage, *plan_stage(stage, height, width, cut, bits=bits, encoded=False), engine)
        yield from (frame.image for frame in enhance(chain([first], stream)))

    return enhanced()
