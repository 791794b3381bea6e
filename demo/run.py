"""The demo: upscale a small clip whose original is known, and say how well it went. Started by `make demo`."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import cv2
import imageio.v3 as imageio
import numpy as np
from numpy.typing import NDArray

from ppvsr.evaluate.metrics import psnr
from ppvsr.resize import resize
from ppvsr.video.open import describe, open_source

ROOT = Path(__file__).resolve().parents[1]
CLIP, TRUTH = ROOT / "demo/bee_160x90.mp4", ROOT / "demo/bee_640x360_truth.mp4"
FILM, PICTURE = ROOT / "output_dir/bee_160x90_PPMSVSR.mp4", ROOT / "output_dir/bee_160x90_PPMSVSR.png"
COMMAND = ["applications/video-enhance.py", "--input", "demo/bee_160x90.mp4"]
COMMAND += ["--process_order", "PPMSVSR", "--output", "output_dir"]
FRAME, ROWS, COLUMNS = 25, slice(90, 270), slice(180, 420)  # what the picture shows: the bee, mid-clip
Image = NDArray[np.uint8]


def read(path: Path) -> list[Image]:
    """Return all frames of a short film."""
    with open_source(path) as source:
        return [frame.image for frame in source]


def labelled(image: Image, text: str, zoom: int = 2) -> Image:
    """Return the demo's crop, enlarged without smoothing, with a caption above it."""
    crop = image[ROWS, COLUMNS].repeat(zoom, 0).repeat(zoom, 1)
    caption = np.full((36, crop.shape[1], 3), 255, np.uint8)
    cv2.putText(caption, text, (8, 25), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([caption, crop])


def main() -> int:
    """Run the command of the README, then compare its film with the truth."""
    print("$ python " + " ".join(COMMAND), flush=True)
    start = time.perf_counter()
    code = subprocess.run([sys.executable, *COMMAND], cwd=ROOT).returncode
    seconds = time.perf_counter() - start
    if code:
        return code
    small, ours, truth = read(CLIP), read(FILM), read(TRUTH)
    bicubic = [resize(image, *truth[0].shape[:2]) for image in small]
    scores = {
        name: np.array([psnr(image, original, y=True) for image, original in zip(film, truth, strict=True)])
        for name, film in (("bicubic", bicubic), ("PPMSVSR", ours))
    }
    means = {name: f"{values.mean():.2f} dB" for name, values in scores.items()}
    panels = [(bicubic, f"bicubic {means['bicubic']}"), (ours, f"ppvsr {means['PPMSVSR']}"), (truth, "truth")]
    imageio.imwrite(PICTURE, np.hstack([labelled(film[FRAME], text) for film, text in panels]))

    print()
    for title, path in (("before", CLIP), ("after", FILM)):
        print(f"streams {title}: " + "; ".join(describe(path)))
    print(f"frames: {len(small)} in, {len(ours)} out; {seconds:.0f} s in all, {seconds / len(ours):.2f} s a frame")
    print(f"PSNR-Y to the original: bicubic {means['bicubic']}, PPMSVSR {means['PPMSVSR']}", end="")
    print(f" ({scores['PPMSVSR'].mean() - scores['bicubic'].mean():+.2f} dB)")
    print(f"film:    {FILM}\npicture: {PICTURE}  (bicubic | ppvsr | truth)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
