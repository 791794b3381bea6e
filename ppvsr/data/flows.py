"""Pairs of pictures whose optical flow is known, because it was made."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ppvsr.data.frames import ArrayFrames, Clip, Dataset, Pixels, Report, Sample
from ppvsr.data.motion import Plane, draw_ellipse, draw_flow, inside, mix, moved, softened
from ppvsr.data.spans import OWN, Span
from ppvsr.errors import ConfigError, DataError
from ppvsr.resize import resize

FRONT = 0.5  # how often something else moves before the picture


class KnownFlowDataset:
    """Pairs ref(x) = other(x + flow(x)), of pictures that another data set gives.

    Both are made at the size of its GT, from the first frame of a sample, moved smoothly; in half of the pairs there is
    an ellipse of another sample with its own motion. Then they are made small by MATLAB's bicubic, as BIx4 is.

    dataset: gives uint8 samples of one size; `num_frames: 1` is enough.  scale: how much smaller the pairs are than its
    GT.  speed: what motions are multiplied by; 1 is up to 8 pixels, most of them less than 2.

    A sample: lq (1, 6, h, w) uint8, `ref` and `other`, RGB; gt (1, 3, h, w) float32, the flow along x and y in pixels
    of lq, and how much a place counts, 0 to 1: what is hidden in `other`, or outside it, does not.
    """

    mirrored = False

    def __init__(self, *, dataset: Dataset, scale: int = 4, speed: float = 1.0):
        if scale < 1:
            raise ConfigError(f"KnownFlowDataset: scale must be 1 or more, got {scale}")
        if not 0 < speed < float("inf"):
            raise ConfigError(f"KnownFlowDataset: speed must be above 0, got {speed}")
        self._pictures = dataset
        self._scale, self._speed = scale, speed

    def prepare(self, report: Report) -> None:
        """See `Dataset`."""
        self._pictures.prepare(report)

    def __len__(self) -> int:
        return len(self._pictures)

    def load(self, index: int, rng: Generator, span: Span = OWN) -> Sample:
        """One pair and its flow; see `Dataset`."""
        if span != OWN:
            raise ConfigError("KnownFlowDataset: gives pairs, not clips; leave out lengths and warm_frames")
        picture, key = self._picture(index, rng)
        flow = self._draw(picture, rng)
        ref, counts = moved(picture, flow, cubic=True), inside(flow)
        if rng.random() < FRONT:
            picture, ref, flow, counts = self._with_front(picture, ref, flow, counts, rng)
        height, width = (side // self._scale for side in picture.shape[:2])
        pair = np.concatenate([resize(each, height, width) for each in (ref, picture)], axis=2)
        known = np.stack([*(_mean(each, self._scale) / self._scale for each in flow), _mean(counts, self._scale)])
        return Sample(lq=np.ascontiguousarray(pair.transpose(2, 0, 1)[None]), gt=known[None], key=key)

    def clip(self, index: int) -> Clip:
        """A pair as a frame (h, w, 6), its flow as the truth (h, w, 3), the same every time; see `Dataset`."""
        sample = self.load(index, np.random.default_rng((0, index)))
        lq, gt = (ArrayFrames(sample[half].transpose(0, 2, 3, 1)) for half in ("lq", "gt"))
        return Clip(sample["key"], lq, gt)

    def _with_front(
        self, back: Pixels, back_ref: NDArray[Any], flow: Plane, counts: Plane, rng: Generator
    ) -> tuple[Pixels, Pixels, Plane, Plane]:
        """Put a part of another picture before this one; return other, ref, flow and what counts."""
        front, _ = self._picture(int(rng.integers(len(self))), rng)
        if front.shape != back.shape:
            raise DataError(f"KnownFlowDataset: pictures must have one size, got {front.shape} and {back.shape}")
        own = self._draw(front, rng)
        mask = draw_ellipse(front.shape[:2], rng).mask(soft=False)
        mask_ref, hidden = moved(mask, own), moved(mask, flow)
        other = mix(back, front, softened(mask))
        ref = mix(back_ref, moved(front, own, cubic=True), softened(mask_ref))
        before = mask_ref > 0.5
        return other, ref, np.where(before, own, flow), np.where(before, inside(own), counts * (1 - hidden))

    def _draw(self, picture: Pixels, rng: Generator) -> Plane:
        return draw_flow(picture.shape[:2], self._speed * self._scale / 4, rng)

    def _picture(self, index: int, rng: Generator) -> tuple[Pixels, str]:
        """The first frame of a sample, (h, w, 3), and its key."""
        sample = self._pictures.load(index, rng)
        picture = sample["gt"][0]
        if picture.dtype != np.uint8:
            raise DataError(f"{sample['key']}: KnownFlowDataset needs bytes; leave NormalizeSequence out")
        height, width = picture.shape[1:]
        if height % self._scale or width % self._scale:
            raise DataError(f"{sample['key']}: GT of {width}x{height} cannot be divided by scale {self._scale}")
        return np.ascontiguousarray(picture.transpose(1, 2, 0)), sample["key"]


def _mean(plane: Plane, times: int) -> Plane:
    """A plane (h, w), `times` smaller: means over areas."""
    height, width = (side // times for side in plane.shape)
    return plane.reshape(height, times, width, times).mean(axis=(1, 3), dtype=np.float32)
