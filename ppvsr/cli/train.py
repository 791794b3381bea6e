"""`ppvsr-train` and `tools/main.py`: PaddleGAN's command for training and evaluation."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Say that training has not arrived yet, and exit with 1."""
    print(
        "ppvsr-train: this version enhances films only; training and evaluation come with a later one", file=sys.stderr
    )
    return 1
