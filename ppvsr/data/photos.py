"""Photographs set in motion, and pairs of pictures whose optical flow is known because it was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ppvsr.data.clips import ArrayFrames, Clip, Dataset, Pixels, Report, Sample, picture_size, read_picture
from ppvsr.data.degrade import Degradation, DegradedFrames, Operation
from ppvsr.data.pipeline import Item, Preprocess, Step
from ppvsr.data.spans import OWN, Span
from ppvsr.data.videos import chosen_files, film_steps, refuse
from ppvsr.errors import ConfigError, DataError
from ppvsr.resize import resize
from ppvsr.video.images import SUFFIXES

# ---- How pictures move: ways of a camera over a photograph, ellipses that hide what is behind, and known flow.

Plane = NDArray[np.float32]
SPEED, ACCELERATION = 8.0, 0.6  # pixels a frame, and what is added in each, at most
TRIES = 3  # places that are looked at, of which the most textured is taken
EDGE = 1.0  # sigma of the blur of an ellipse's edge, in pixels


@dataclass(frozen=True)
class CameraPath:
    """A camera's way over a picture, in whose pixels it is measured; times are frames.

    side: of the square it sees.  start: where its centre is at first, (x, y).  angle, turn: in degrees, and a frame.
    zoom, growth: at first, and the part of it that each frame adds.
    """

    side: int
    start: NDArray[np.float64]
    speed: NDArray[np.float64]
    acceleration: NDArray[np.float64]
    angle: float
    turn: float
    zoom: float
    growth: float

    def calmed(self, times: float) -> CameraPath:
        """Return the way for a clip that is so many times as long, which gets no faster, larger or smaller by that."""
        return replace(self, acceleration=self.acceleration / times, growth=self.growth / times)

    def view(self, picture: Pixels, time: int) -> Pixels:
        """What is seen, (side, side, 3); beyond its edges the picture is mirrored."""
        center = self.start + self.speed * time + self.acceleration * (time * time / 2)
        zoom = self.zoom * (1 + self.growth * time)
        matrix = cv2.getRotationMatrix2D((float(center[0]), float(center[1])), self.angle + self.turn * time, zoom)
        matrix[:, 2] += (self.side - 1) / 2 - center
        size, mirror = (self.side, self.side), cv2.BORDER_REFLECT_101
        return cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_CUBIC, borderMode=mirror)


@dataclass(frozen=True)
class Ellipse:
    """A place (h, w) that moves: 1 inside, 0 outside, and a soft edge."""

    size: tuple[int, int]
    center: tuple[int, int]
    axes: tuple[int, int]
    angle: float
    speed: tuple[float, float] = (0.0, 0.0)

    def mask(self, time: int = 0, *, soft: bool = True) -> Plane:
        """Where it is, (h, w), 0..1; without `soft`, 0 or 1."""
        mask = np.zeros(self.size, np.float32)
        x, y = (round(place + speed * time) for place, speed in zip(self.center, self.speed, strict=True))
        cv2.ellipse(mask, (x, y), self.axes, self.angle, 0, 360, 1.0, -1)
        return softened(mask) if soft else mask


def draw_path(picture: Pixels, side: int, rng: Generator) -> CameraPath:
    """Draw a way that starts where there is much to see; the picture is at least `side` wide and high."""
    height, width = picture.shape[:2]
    corners = [(rng.integers(width - side + 1), rng.integers(height - side + 1)) for _ in range(TRIES)]
    left, top = max(corners, key=lambda at: picture[at[1] : at[1] + side : 4, at[0] : at[0] + side : 4].std())
    return CameraPath(
        side=side,
        start=np.array([left, top]) + (side - 1) / 2,
        speed=rng.uniform(-SPEED, SPEED, 2) * rng.random(),
        acceleration=rng.uniform(-ACCELERATION, ACCELERATION, 2),
        angle=rng.uniform(-5, 5),
        turn=rng.uniform(-0.4, 0.4),
        zoom=rng.uniform(0.9, 1.3),
        growth=rng.uniform(-0.004, 0.004),
    )


def draw_ellipse(size: tuple[int, int], rng: Generator) -> Ellipse:
    """Draw an ellipse with its centre in the inner part of `size` (h, w), up to two thirds of its size, and a speed."""
    sizes = np.array(size[::-1])
    x, y = rng.integers(sizes // 5, 4 * sizes // 5 + 1)
    across, along = rng.integers(sizes // 8, sizes // 3 + 1)
    speed_x, speed_y = rng.uniform(-SPEED, SPEED, 2)
    center, axes = (int(x), int(y)), (int(across), int(along))
    return Ellipse(size, center, axes, rng.uniform(0, 180), (float(speed_x), float(speed_y)))


def draw_flow(size: tuple[int, int], speed: float, rng: Generator) -> Plane:
    """Draw a motion of `size` (h, w): (2, h, w), in pixels, x first.

    Most are small, some go fast; all turn and grow a little, some are bent like waves.  speed: what all is multiplied
    by.
    """
    height, width = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    drift = rng.uniform(-32, 32, 2) if rng.random() < 0.3 else rng.normal(0, 6, 2) * rng.random()
    turn, growth = np.deg2rad(rng.normal(0, 1)), rng.normal(0, 0.01)
    right, down = x - width / 2, y - height / 2
    flow = np.stack([drift[0] + growth * right - turn * down, drift[1] + growth * down + turn * right])
    if rng.random() < 0.3:
        length, height_of_wave, phase = rng.uniform(15, 60), rng.uniform(0, 3), rng.uniform(0, 2 * np.pi)
        flow += height_of_wave * np.sin(np.stack([y, x]) / length + phase)
    return (speed * flow).astype(np.float32)


def moved(planes: NDArray[Any], flow: Plane, *, cubic: bool = False) -> NDArray[Any]:
    """Return planes (h, w) or (h, w, c) as they are where the flow points; beyond their edges they are mirrored."""
    x, y = targets(flow)
    kernel = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    return cv2.remap(planes, x, y, kernel, borderMode=cv2.BORDER_REFLECT_101)


def inside(flow: Plane) -> Plane:
    """Where the flow stays in the picture: (h, w), 1 or 0."""
    (x, y), (height, width) = targets(flow), flow.shape[1:]
    return ((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)).astype(np.float32)


def targets(flow: Plane) -> tuple[Plane, Plane]:
    """The places x, y (h, w) that a flow points to."""
    y, x = np.mgrid[0 : flow.shape[1], 0 : flow.shape[2]].astype(np.float32)
    return x + flow[0], y + flow[1]


def mix(back: Pixels, front: Pixels, mask: Plane) -> Pixels:
    """Put one picture (h, w, 3) before the other, where the mask (h, w) is 1."""
    part = mask[:, :, None]
    return (back * (1 - part) + front * part + 0.5).astype(np.uint8)


def softened(mask: Plane) -> Plane:
    """Blur the edges of a mask, which otherwise would have stairs."""
    return cv2.GaussianBlur(mask, (0, 0), EDGE)


# ---- Photographs set in motion: clips whose every frame is as sharp as a photograph.

FRONT = 0.5  # how often another photograph moves before the first one


class MovingPhotosDataset:
    """Photographs in a folder. One index is one photograph, a sample a camera's way over it: it drifts, turns, zooms.

    In half of the samples an ellipse of another photograph goes its own way before it.

    folder: its pictures (not those in folders inside it), by their endings.  names, skip: text files with one picture a
    line: the only ones to use, and those to leave out.  num_frames: of a sample.  gt_patch_size: of its frames, in
    pixels; a multiple of `scale`, and no picture may be smaller.
    scale, degradation: how low resolution is made, see `degrade`; None is BI alone.
    preprocess: as for VideoFolderDataset; SRPairedRandomCrop is not needed.
    """

    def __init__(
        self,
        *,
        folder: str,
        num_frames: int,
        gt_patch_size: int = 256,
        scale: int = 4,
        names: str | None = None,
        skip: str | None = None,
        degradation: Sequence[Operation] | None = None,
        preprocess: Sequence[Step] = (),
    ):
        self._folder = Path(folder)
        self._num_frames, self._side, self._scale = num_frames, gt_patch_size, scale
        self._lists = {"names": names, "skip": skip}
        self._degradation = Degradation(tuple(degradation or ()), scale)
        self._preprocess = Preprocess(film_steps(preprocess, "MovingPhotosDataset"), owner="MovingPhotosDataset")
        self._photos: list[Path] | None = None
        if num_frames < 1:
            raise ConfigError(f"MovingPhotosDataset: num_frames must be 1 or more, got {num_frames}")
        if gt_patch_size < scale or gt_patch_size % scale:
            raise ConfigError(f"MovingPhotosDataset: gt_patch_size {gt_patch_size} must be a multiple of scale {scale}")

    @property
    def mirrored(self) -> bool:
        """Whether the pipeline holds MirrorVideoSequence."""
        return self._preprocess.mirrored

    def prepare(self, report: Report) -> None:
        """List the photographs and look at their sizes; see `Dataset`."""
        if self._photos is not None:
            return
        photos = chosen_files(self._folder, SUFFIXES, self._lists, "photograph")
        problems = []
        for path in photos:
            try:
                height, width = picture_size(path)
            except DataError as error:
                problems.append(str(error))
                continue
            if min(height, width) < self._side:
                problems.append(f"{path.name}: is {width}x{height}; patches of {self._side} do not fit")
        refuse(problems, f"{self._folder}: photographs that cannot be used; remove them, or list them in `skip`")
        self._photos = photos
        report(f"MovingPhotosDataset: {len(photos)} photographs")

    def __len__(self) -> int:
        return len(self._prepared())

    def load(self, index: int, rng: Generator, span: Span = OWN) -> Sample:
        """One example; see `Dataset`."""
        return self._preprocess.sample(self._item(index, rng, span), rng)

    def clip(self, index: int) -> Clip:
        """A photograph's clip, the same every time; see `Dataset`."""
        return self._preprocess.clip(self._item(index, np.random.default_rng(list(self._key(index).encode()))))

    def _item(self, index: int, rng: Generator, span: Span = OWN) -> Item:
        chooser = self._preprocess.chooser
        assert chooser is not None  # film_steps made sure
        gt = ArrayFrames(self._moved(index, chooser.needed(span.count(self._num_frames)), rng))
        effect = self._degradation.draw(rng)
        seed = (int(rng.integers(1 << 62)),)
        lq = DegradedFrames(gt, effect, self._scale, self._degradation.margin, seed)
        return Item(self._key(index), lq, gt, self._num_frames, span=span)

    def _moved(self, index: int, count: int, rng: Generator) -> Pixels:
        """Frames (count, side, side, 3)."""
        photos, times = self._prepared(), count / self._own_count()
        back = read_picture(photos[index])
        behind = draw_path(back, self._side, rng).calmed(times)
        if rng.random() >= FRONT:
            return np.stack([behind.view(back, time) for time in range(count)])
        front = read_picture(photos[int(rng.integers(len(photos)))])
        before, ellipse = draw_path(front, self._side, rng).calmed(times), draw_ellipse((self._side, self._side), rng)
        views = ((behind.view(back, time), before.view(front, time), ellipse.mask(time)) for time in range(count))
        return np.stack([mix(*each) for each in views])

    def _own_count(self) -> int:
        """Return the frames that a sample needs by itself."""
        chooser = self._preprocess.chooser
        return chooser.needed(self._num_frames) if chooser else self._num_frames

    def _key(self, index: int) -> str:
        return self._prepared()[index].stem

    def _prepared(self) -> list[Path]:
        if self._photos is None:
            raise RuntimeError("MovingPhotosDataset: prepare() comes first")
        return self._photos


# ---- Pairs of pictures whose optical flow is known, because it was made.


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
