"""Videos made from numbers: textures that move, cut, flash and flicker, the same each time for the same recipe.

A recipe is all there is to a video, so that a seed can draw one and a search can change it. Lengths and speeds are in
pixels of the low-resolution video (LQ); the truth (GT) has four times as many. `CONTENTS` is what
`benchmarks/stability.py` measures.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from ppvsr.resize import resize
from ppvsr.video.images import to_depth
from ppvsr.video.open import open_source

Floats = NDArray[np.float32]
Image = NDArray[np.uint8]

SCALE = 4
TILE = 512  # GT pixels after which a texture repeats
SPREAD = 64  # levels: standard deviation of a texture of contrast 1
TEXTURES = ("grain", "leaves", "gravel", "clouds", "weave")


@dataclass(frozen=True)
class Recipe:
    """What a video shows.

    texture: one of TEXTURES.  grain: size of its smallest parts.  contrast: 1 goes from black to white.
    pan: speed, towards `heading` degrees (0 is right, 90 is down).  turn: degrees a frame.
    zoom: the picture grows by up to this share of itself a frame, then shrinks again.
    sway, patch, pace: how far pieces of the size `patch` swing to and fro, each for itself, and how often a frame.
    layers: textures before each other, each with a heading of its own.
    noise: standard deviation in levels, on GT.  flash, cut: frames from one to the next, 0 for none.
    photo: a photograph that takes the place of the texture, shrunk so that `grain` says how fine it is.
    """

    texture: str = "leaves"
    grain: float = 1.5
    contrast: float = 0.8
    pan: float = 0.0
    heading: float = 30.0
    turn: float = 0.0
    zoom: float = 0.0
    sway: float = 0.0
    patch: float = 6.0
    pace: float = 0.1
    layers: int = 1
    noise: float = 0.0
    flash: int = 0
    cut: int = 0
    seed: int = 0
    photo: Path | None = None


CONTENTS: dict[str, Recipe] = {
    "still": Recipe("clouds"),
    "still leaves": Recipe("leaves"),
    "pan 0.25": Recipe("clouds", pan=0.25),
    "pan 1": Recipe("clouds", pan=1.0),
    "pan 3": Recipe("clouds", pan=3.0),
    "pan 8": Recipe("clouds", pan=8.0),
    "pan 0.25, leaves": Recipe("leaves", pan=0.25, heading=195),
    "pan 1, leaves": Recipe("leaves", pan=1.0, heading=195),
    "rotation": Recipe("clouds", turn=0.5),
    "zoom": Recipe("clouds", zoom=0.01),
    "leaves": Recipe("leaves", 1.0, sway=0.4, patch=4.0, layers=2),
    "gravel": Recipe("gravel", 2.0, pan=0.3, heading=195, sway=0.1, patch=2.0),
    "water": Recipe("clouds", 1.0, sway=1.0, patch=8.0, pace=0.05, pan=0.2),
    "grain that drifts": Recipe("grain", 1.1, 0.2, pan=0.3, heading=195),
    "weave that drifts": Recipe("weave", 1.2, 0.4, pan=0.3, heading=195, sway=0.15),
    "noise": Recipe("clouds", noise=20.0),
    "noise on a pan": Recipe("clouds", pan=0.3, heading=195, noise=20.0),
    "flashes": Recipe("clouds", pan=0.5, flash=12),
    "cuts": Recipe("leaves", pan=0.5, sway=0.2, cut=25),
}


def make(recipe: Recipe, count: int, side: int = 64) -> list[Image]:
    """Return so many frames of GT, RGB, SCALE times `side` high and wide."""
    rng = np.random.default_rng((recipe.seed, 1))
    frames: list[Image] = []
    scene, layers = -1, list[_Layer]()
    for number in range(count):
        now = number // recipe.cut if recipe.cut else 0
        if now != scene:
            scene = now
            layers = [_Layer(recipe, scene, depth) for depth in range(recipe.layers)]
        frame: NDArray[Any] = np.zeros((SCALE * side, SCALE * side, 3), np.float32)
        for layer in layers:
            colours, mask = layer.at(number, SCALE * side)
            frame += (colours - frame) * mask
        frame = 128 + (frame - 128) * recipe.contrast
        if recipe.flash and number % recipe.flash == recipe.flash - 1:
            frame = frame / 2 + 127
        if recipe.noise:
            frame = frame + rng.normal(0, recipe.noise, frame.shape).astype(np.float32)
        frames.append(np.clip(np.rint(frame), 0, 255).astype(np.uint8))
    return frames


def draw(rng: np.random.Generator, photos: Sequence[Path] = ()) -> Recipe:
    """Return a recipe by chance, of a texture or of one of the photographs."""
    return Recipe(
        texture=str(rng.choice(TEXTURES)),
        grain=_between(rng, 0.5, 3),
        contrast=_between(rng, 0.1, 1.2),
        pan=float(rng.choice([0, _between(rng, 0.1, 4)], p=[0.2, 0.8])),
        heading=float(rng.uniform(0, 360)),
        sway=float(rng.choice([0, _between(rng, 0.05, 2)])),
        patch=_between(rng, 2, 16),
        pace=_between(rng, 0.02, 0.5),
        layers=int(rng.choice([1, 1, 1, 2])),
        noise=float(rng.choice([0, 0, 0, 4])),
        seed=int(rng.integers(1 << 20)),
        photo=photos[int(rng.integers(len(photos)))] if photos else None,
    )


def change(recipe: Recipe, rng: np.random.Generator) -> Recipe:
    """Return a recipe that differs in one to three things."""
    changes: dict[str, Any] = {}
    for name in rng.choice(["grain", "contrast", "pan", "heading", "sway", "patch", "pace", "seed"], 3)[
        : rng.integers(1, 4)
    ]:
        value = getattr(recipe, name)
        if name == "seed":
            changes[name] = int(rng.integers(1 << 20))
        elif name == "heading":
            changes[name] = float(value + rng.normal(0, 20)) % 360
        else:
            changes[name] = float(value * np.exp(rng.normal(0, 0.3)))
    return replace(recipe, **changes)


def shrunk(truth: Sequence[Image], crf: int | None = None) -> list[Image]:
    """Return LQ of GT, by BIx4; with `crf`, as x264 leaves it (4:2:0, its defaults)."""
    height, width = (length // SCALE for length in truth[0].shape[:2])
    frames = [resize(image, height, width) for image in truth]
    return frames if crf is None else _compressed(frames, crf)


def read(path: Path, count: int, side: int = 64) -> list[Image]:
    """Return so many frames of a video, played forth and back: its middle, after shrinking it to the height of GT."""
    size = SCALE * side
    frames: list[Image] = []
    with open_source(path) as source:
        for frame in islice(source, count):
            image = to_depth(frame.image, 8)
            factor = max(size / min(image.shape[:2]), 1 / 6)  # of a very large one, a part: work stays bounded
            height, width = (max(size, round(length * factor)) for length in image.shape[:2])
            if factor < 1:
                image = resize(image, height, width)
            top, left = ((length - size) // 2 for length in image.shape[:2])
            frames.append(np.ascontiguousarray(image[top : top + size, left : left + size]))
    turn = [*range(len(frames)), *range(len(frames) - 2, 0, -1)]
    return [frames[turn[i % len(turn)]] for i in range(count)]


class _Layer:
    """A texture, and how it moves."""

    def __init__(self, recipe: Recipe, scene: int, depth: int) -> None:
        rng = np.random.default_rng((recipe.seed, 2, scene, depth))
        self.recipe = recipe
        grain = recipe.grain * SCALE
        self.colours = _photo(recipe.photo, grain, rng) if recipe.photo else _texture(recipe.texture, grain, rng)
        self.phases = [3 * _smooth(rng, recipe.patch * SCALE) for _ in range(2)]
        self.mask = np.ones((TILE, TILE), np.float32)
        self.heading, self.start = recipe.heading, np.zeros(2)
        if depth:  # holes, half of the area
            self.mask = np.clip(_smooth(rng, recipe.patch * SCALE) * 8 + 0.5, 0, 1).astype(np.float32)
            self.heading, self.start = rng.uniform(0, 360), rng.uniform(0, TILE, 2)

    def at(self, number: int, size: int) -> tuple[Floats, Floats]:
        """Return the colours (size, size, 3), and how far they cover those behind, (size, size, 1)."""
        recipe = self.recipe
        y, x = np.mgrid[:size, :size] - (size - 1) / 2
        angle, grown = np.radians(recipe.turn * number), np.exp(recipe.zoom * np.sin(number / 16) * 16)
        x, y = (np.cos(angle) * x + np.sin(angle) * y) / grown, (np.cos(angle) * y - np.sin(angle) * x) / grown
        way = recipe.pan * SCALE * number * np.exp(1j * np.radians(self.heading))
        x, y = x + self.start[0] - way.real, y + self.start[1] - way.imag
        if recipe.sway:
            time = 2 * np.pi * recipe.pace * number
            across, down = (_sample(phase, x, y) for phase in self.phases)
            x = x + recipe.sway * SCALE * np.sin(time + across)
            y = y + recipe.sway * SCALE * np.sin(1.3 * time + down)
        return _sample(self.colours, x, y), _sample(self.mask, x, y)[..., None]


def _sample(tile: Floats, x: NDArray[Any], y: NDArray[Any]) -> Floats:
    """Read a texture that repeats, at places between its pixels."""
    x, y = (np.mod(each, TILE).astype(np.float32) for each in (x, y))
    return cv2.remap(tile, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _smooth(rng: np.random.Generator, length: float) -> Floats:
    """Return a field without detail under `length` pixels, of mean 0 and standard deviation 1."""
    return _spectrum(rng, lambda f: np.exp(-2 * (f * length) ** 2))


def _spectrum(rng: np.random.Generator, gain: Callable[[NDArray[Any]], NDArray[Any]]) -> Floats:
    """Return noise (TILE, TILE) that repeats, of mean 0 and standard deviation 1; gain: by cycles in a pixel."""
    weights = gain(np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)))
    weights[0, 0] = 0
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((TILE, TILE))) * weights, (TILE, TILE))
    return (field / field.std()).astype(np.float32)


def _texture(kind: str, grain: float, rng: np.random.Generator) -> Floats:
    """Return a texture (TILE, TILE, 3), levels 0 to 255; grain: GT pixels."""
    if kind in ("leaves", "gravel"):
        return _pieces(rng, grain, 2.5 if kind == "leaves" else 1.2)
    if kind == "weave":  # threads that are not quite straight, and not quite alike
        turns = max(1, round(TILE / grain)) * 2 * np.pi / TILE
        y, x = np.mgrid[:TILE, :TILE] * turns
        field = np.sin(x + _smooth(rng, 64)) * np.sin(y + _smooth(rng, 64)) + 0.3 * _smooth(rng, grain)
    elif kind == "grain":
        field = _smooth(rng, grain)
    else:
        field = _spectrum(rng, lambda f: 1 / np.maximum(f, 1 / (64 * grain)) ** 1.6)
    tint = rng.uniform(0.7, 1, 3) if kind == "clouds" else np.ones(3)
    return np.clip(128 + SPREAD * field[..., None] * tint, 0, 255).astype(np.float32)


def _pieces(rng: np.random.Generator, grain: float, long: float) -> Floats:
    """Draw ellipses over each other, each of one colour and lying in a direction of its own."""
    tile = np.full((TILE, TILE, 3), 40, np.float32)
    tint = rng.uniform(0.6, 1, 3)
    for _ in range(min(int(3 * (TILE / grain) ** 2 / long), 60_000)):
        x, y = rng.integers(0, TILE, 2)
        short = grain * rng.uniform(0.3, 1) / 2
        axes = max(1, round(short * long)), max(1, round(short))
        colour = tuple(float(level) for level in rng.uniform(0, 255) * tint * rng.uniform(0.85, 1, 3))
        angle = float(rng.uniform(0, 180))
        reach = max(axes)
        for across in (x - TILE, x, x + TILE):
            for down in (y - TILE, y, y + TILE):
                if -reach < across < TILE + reach and -reach < down < TILE + reach:
                    cv2.ellipse(tile, (int(across), int(down)), axes, angle, 0, 360, colour, -1)
    return tile


def _photo(path: Path, grain: float, rng: np.random.Generator) -> Floats:
    """Return a part of a photograph, mirrored so that it repeats."""
    with open_source(path) as source:
        image = to_depth(next(iter(source)).image, 8)
    side = TILE // 2
    factor = max(grain / 6, side / min(image.shape[:2]))
    image = resize(image, *(max(side, round(length * min(factor, 1))) for length in image.shape[:2]))
    top, left = (int(rng.integers(0, length - side + 1)) for length in image.shape[:2])
    part = image[top : top + side, left : left + side].astype(np.float32)
    return np.pad(part, ((0, side), (0, side), (0, 0)), mode="symmetric")


def _compressed(frames: Sequence[Image], crf: int) -> list[Image]:
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as film:
        video = film.add_stream("libx264", rate=Fraction(25), options={"crf": str(crf)})
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = "yuv420p"
        for image in frames:
            film.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        film.mux(video.encode())
    file.seek(0)
    with av.open(file) as film:
        return [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
