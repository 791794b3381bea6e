"""Does an enlarged frame show its source? What does not is made again, or bicubic stands in; all is counted."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from ppvsr.video.frames import Image

# A block of the source, BLOCK x BLOCK pixels. Small, because what diverges first does so in spots.
BLOCK = 4
# How much more a departure counts that survives shrinking: detail may be added, but not what the source contradicts.
KEPT = 8.0
# Squared 8-bit levels: a departure in what is flat and clean, such as rounding and faint noise, needs this much.
FLOOR = 1.0
# The highest value of sound frames is 12.6 (docs/stability.md); a network that diverges has 20 to 10,000.
LIMIT = 16.0


def departure(image: Image, source: Image) -> float:
    """Return how far an enlarged frame (s*h, s*w, 3) departs from its source (h, w, 3), both uint8 or uint16.

    For the worst block: the energy of what the frame adds to bicubic, plus KEPT times that of what is left of the
    difference to the source after shrinking, relative to the detail that the source has there. Sound frames stay below
    LIMIT: networks make detail where there is some, and shrunk again their frames are their sources.
    """
    height, width = source.shape[:2]
    large, small = (width * (image.shape[1] // width), height * (image.shape[0] // height)), (width, height)
    blocks = max(width // BLOCK, 1), max(height // BLOCK, 1)
    unit = np.float32(255 / np.iinfo(source.dtype).max)
    added = _energy(image, cv2.resize(source, large, interpolation=cv2.INTER_CUBIC), blocks, unit)
    kept = _energy(cv2.resize(image, small, interpolation=cv2.INTER_AREA), source, blocks, unit)
    detail = _energy(source, cv2.blur(source, (3, 3)), blocks, unit)
    return float(((added + KEPT * kept) / (detail + FLOOR)).max())


def _energy(first: Image, second: Image, blocks: tuple[int, int], unit: np.float32) -> Any:
    """Return the mean squared difference, in 8-bit levels, in each block (rows, columns), over the channels."""
    difference = cv2.absdiff(first, second).astype(np.float32)
    difference *= unit
    difference *= difference
    return cv2.resize(difference, blocks, interpolation=cv2.INTER_AREA).mean(axis=2)
