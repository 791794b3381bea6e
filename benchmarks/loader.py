"""How many clips a second does the loader read? In the sizes of REDS: 1280x720, 256 pixels cropped, LQ a quarter.

    python benchmarks/loader.py [--clips 2] [--frames 30] [--take 15] [--batch 2] [--workers 0 1 2] [--seconds 5]

Builds a tree of clips in a temporary folder (about 400 MB), and prints clips per second from PNG files, from the packed
cache, and from films, whose LQ is made on the fly; as bytes, and normalised to float32 by the worker as in PaddleGAN.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import TypeVar

import av
import cv2
import numpy as np

from ppvsr.data.clips import Dataset, RepeatDataset, pack_clips
from ppvsr.data.folders import VSRFolderDataset
from ppvsr.data.loader import LoaderOptions, batches
from ppvsr.data.pipeline import (
    GetNeighboringFramesIdx,
    NormalizeSequence,
    PairedRandomHorizontalFlip,
    PairedRandomTransposeHW,
    PairedRandomVerticalFlip,
    ReadImageSequence,
    SRPairedRandomCrop,
    Transform,
    Transforms,
    TransposeSequence,
)
from ppvsr.data.videos import VideoFolderDataset

HEIGHT, WIDTH, SCALE, PATCH = 720, 1280, 4, 256
CHOOSE = GetNeighboringFramesIdx(interval_list=[1])
Data = TypeVar("Data", bound=Dataset)
# 1e-9 is nothing, but not 0: the values become float32
KINDS = {"uint8": NormalizeSequence(), "float32": NormalizeSequence(mean=1e-9, std=255.0)}


def build_tree(root: Path, clips: int, frames: int) -> None:
    """Write clips that move and have some detail, so that PNG compresses them about as it does real ones."""
    noise = np.random.default_rng(0).normal(size=(2 * HEIGHT, 2 * WIDTH, 3)).astype(np.float32)
    scene = sum(cv2.GaussianBlur(noise, (0, 0), sigma) * sigma * 20 for sigma in (1, 4, 16, 64))
    scene = np.clip(np.asarray(scene) + 128, 0, 255).astype(np.uint8)
    for clip in range(clips):
        film = Film(root / "films" / f"{clip:03d}.mp4")
        for frame in range(frames):
            top, left = 3 * frame + 50 * clip, 5 * frame
            gt = scene[top : top + HEIGHT, left : left + WIDTH]
            lq = cv2.resize(gt, (WIDTH // SCALE, HEIGHT // SCALE), interpolation=cv2.INTER_AREA)
            for half, image in (("gt", gt), ("lq", lq)):
                path = root / half / f"{clip:03d}" / f"{frame:08d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), image)
            film.add(gt)
        film.close()


class Film:
    """A film that is written picture by picture."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._container = av.open(str(path), "w")
        self._stream = self._container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        self._stream.width, self._stream.height, self._stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"

    def add(self, image: np.ndarray) -> None:
        """Append one picture."""
        self._container.mux(self._stream.encode(av.VideoFrame.from_ndarray(image, "bgr24")))

    def close(self) -> None:
        """Write what is left."""
        self._container.mux(self._stream.encode(None))
        self._container.close()


def pipeline(kind: str) -> Transforms:
    """The transforms of configs/msvsr_reds.yaml."""
    before: list[Transform] = [
        SRPairedRandomCrop(scale=SCALE, gt_patch_size=PATCH),
        PairedRandomHorizontalFlip(),
        PairedRandomVerticalFlip(),
        PairedRandomTransposeHW(),
        TransposeSequence(),
    ]
    return Transforms(pipeline=[*before, KINDS[kind]])


def pictures(root: Path, take: int, kind: str, pack: Path | None = None) -> VSRFolderDataset:
    """PNG files, or what is packed of them."""
    read = [ReadImageSequence(key="lq"), ReadImageSequence(key="gt")]
    return VSRFolderDataset(
        lq_folder=str(root / "lq"),
        gt_folder=str(root / "gt"),
        num_frames=take,
        preprocess=[CHOOSE, *read, pipeline(kind)],
        pack=str(pack) if pack else None,
    )


def packed(root: Path, take: int, kind: str) -> VSRFolderDataset:
    """The packed cache."""
    return pictures(root, take, kind, root / "pack")


def films(root: Path, take: int, kind: str) -> VideoFolderDataset:
    """Films, decoded once into their cache."""
    return VideoFolderDataset(folder=str(root / "films"), num_frames=take, preprocess=[CHOOSE, pipeline(kind)])


SOURCES: dict[str, Callable[[Path, int, str], Dataset]] = {"PNG": pictures, "packed": packed, "films": films}


def prepared(dataset: Data) -> Data:
    """The same, ready to be read."""
    dataset.prepare(lambda line: None)
    return dataset


def clips_per_second(dataset: Dataset, batch: int, workers: int, seconds: float) -> float:
    """Read for a while, after a first step in which the workers start."""
    options = LoaderOptions(batch, workers)
    steps = batches(RepeatDataset(dataset=dataset, times=10**5), options, seed=0, first=1, last=10**4)
    for _ in range(1 + 2 * workers):  # what was read ahead while nobody looked at the clock
        next(steps)
    start = time.perf_counter()
    count = sum(len(each.keys) for step in until(steps, start + seconds) for each in step)
    taken = time.perf_counter() - start
    steps.close()
    return count / taken


def until(steps: Iterator[list], end: float) -> Iterator[list]:
    """The steps that come before the end."""
    for step in steps:
        yield step
        if time.perf_counter() > end:
            return


def main() -> None:
    """Build, pack, read, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--take", type=int, default=15, help="frames per training example")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, default=5.0, help="per row")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        build_tree(root, args.clips, args.frames)
        for what, work in (
            ("packed", lambda: pack_clips(prepared(pictures(root, 1, "uint8")), root / "pack", lambda line: None)),
            ("decoded into the films' cache", lambda: prepared(films(root, 1, "uint8"))),
        ):
            start = time.perf_counter()
            work()
            print(f"{args.clips} clips of {args.frames} frames {what}: {time.perf_counter() - start:.1f} s")
        print(f"{'source':9}{'kind':9}{'workers':>8}{'clips/s':>9}   ({args.take} frames, batch {args.batch})")
        for (source, make), kind in product(SOURCES.items(), KINDS):
            dataset = prepared(make(root, args.take, kind))
            for workers in args.workers:
                speed = clips_per_second(dataset, args.batch, workers, args.seconds)
                print(f"{source:9}{kind:9}{workers:8}{speed:9.1f}", flush=True)


if __name__ == "__main__":
    main()
