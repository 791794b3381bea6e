"""Photographs for tests: smooth colours with detail, each of its own."""

import cv2
import numpy as np


def make_photos(folder, count=3, size=(120, 96)):
    """Write so many pictures of `size` (width, height); return the folder as text."""
    folder.mkdir(exist_ok=True)
    for number in range(count):
        rng = np.random.default_rng(number + 50)
        coarse = rng.integers(0, 256, (size[1] // 8, size[0] // 8, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f"photo{number}.png"), cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC))
    return str(folder)
