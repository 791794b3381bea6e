"""How pictures move: ways of a camera over a photograph, ellipses that hide what is behind, and known flow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ppvsr.data.frames import Pixels

Plane = NDArray[np.float32]
SPEED, ACCELERATION = 8.0, 0.6  # pixels a frame, and what is added in each, at most
TRIES = 3  # places that are looked at, of which the most textured is taken
EDGE = 1.0  # sigma of the blur of an ellipse's edge, in pixels


@dataclass(frozen=True)
class Path:
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

    def calmed(self, times: float) -> Path:
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


def draw_path(picture: Pixels, side: int, rng: Generator) -> Path:
    """Draw a way that starts where there is much to see; the picture is at least `side` wide and high."""
    height, width = picture.shape[:2]
    corners = [(rng.integers(width - side + 1), rng.integers(height - side + 1)) for _ in range(TRIES)]
    left, top = max(corners, key=lambda at: picture[at[1] : at[1] + side : 4, at[0] : at[0] + side : 4].std())
    return Path(
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
