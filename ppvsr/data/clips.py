"""Picture files for training: 8 bits, RGB, and an error that names the file for everything else."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ppvsr.errors import DataError
from ppvsr.video.images import read_image
from ppvsr.whole import written_whole

PNG = b"\x89PNG\r\n\x1a\n"


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Read a picture as RGB, (h, w, 3) uint8; grey becomes RGB, transparency is dropped.

    Raises DataError for a file that is missing, damaged, or has more than 8 bits per sample.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such picture")
    image = read_image(path)
    if image is None:
        raise DataError(f"{path}: is damaged or no picture; replace it, or leave its clip out")
    if image.dtype != np.uint8:
        raise DataError(f"{path}: has 16 bits per sample, 8 are expected; convert the pictures")
    return image  # type: ignore[return-value]


def write_picture(path: Path, image: NDArray[np.uint8]) -> None:
    """Write RGB (h, w, 3) as PNG, whole or not at all; the folder is made if it is not there. Raises OSError."""
    data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as unfinished:
        unfinished.write_bytes(data.data)


def picture_size(path: Path) -> tuple[int, int]:
    """(h, w) of a picture, from the head of a PNG file, else by reading it; raises DataError."""
    try:
        with path.open("rb") as file:
            head = file.read(24)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if head.startswith(PNG) and len(head) == 24:
        return int.from_bytes(head[20:24], "big"), int.from_bytes(head[16:20], "big")
    return read_picture(path).shape[:2]
