"""What a run logs, keeps and validates: the blocks `log_config`, `snapshot_config` and `validate` of a config.

The field names are the keys. Intervals are optimisation steps here; whoever builds these from a config with `epochs`
multiplies `snapshot_config.interval` by the steps of an epoch before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ppvsr.errors import ConfigError

WORST_FRAME = "psnr_worst"  # PSNR of the worst frame of all clips, beside the means of the metrics


@dataclass(frozen=True)
class LogOptions:
    """`log_config`: a line every `interval` steps; pictures every `visual_interval`, None or -1 for none.

    Raises ConfigError for an interval that is none.
    """

    interval: int = 10
    visual_interval: int | None = None

    def __post_init__(self) -> None:
        _at_least(1, "log_config", interval=self.interval)
        if self.visual_interval is not None:
            _interval_or_never("log_config", visual_interval=self.visual_interval)


@dataclass(frozen=True)
class SnapshotOptions:
    """`snapshot_config`: weights and a checkpoint every `interval` steps and at the end.

    keep: newest checkpoints that stay.  keep_weights: newest `iter_N_weight` files that stay; None for all, as in
    PaddleGAN.  best: the metric of `validate.metrics` whose highest value decides what `best_weight` holds, or
    `psnr_worst`, the PSNR of the worst frame of all clips; None for no such file.
    Raises ConfigError for numbers below 1.
    """

    interval: int = 5000
    keep: int = 1
    keep_weights: int | None = None
    best: str | None = "psnr"

    def __post_init__(self) -> None:
        _at_least(1, "snapshot_config", interval=self.interval, keep=self.keep)
        if self.keep_weights is not None:
            _at_least(1, "snapshot_config", keep_weights=self.keep_weights)


@dataclass(frozen=True)
class ValidateOptions:
    """`validate`, without its `metrics`: evaluation on `dataset.test` every `interval` steps and at the end.

    interval: -1 for never.  save_img: write the enlarged pictures.  window, overlap: frames at once, and frames of
    context on either side; 100, which takes the clips of all common test sets whole, and 10 by default; `all` takes any
    clip whole.  frames: score all frames of a clip, or its middle one.  mirror: run a clip and its reverse as one, and
    take the mean; always whole.  flicker: measure the warping error too.
    Raises ConfigError for numbers that cannot be.
    """

    interval: int = -1
    save_img: bool = False
    window: int | Literal["all"] = 100
    overlap: int | None = None
    frames: Literal["all", "middle"] = "all"
    mirror: bool = False
    flicker: bool = False

    def __post_init__(self) -> None:
        _interval_or_never("validate", interval=self.interval)
        if self.overlap is not None:
            _at_least(0, "validate", overlap=self.overlap)
        if self.window == "all":
            if self.overlap is not None:
                raise ConfigError(f"validate.overlap: {self.overlap} with window: all; whole clips have no neighbours")
            return
        _at_least(1, "validate", window=self.window)
        if self.overlap is not None and 2 * self.overlap >= self.window:
            raise ConfigError(
                f"validate.overlap: windows of {self.window} frames cannot overlap by {self.overlap} on either side; "
                f"window must be at least {2 * self.overlap + 1}, or overlap at most {(self.window - 1) // 2}"
            )


def _at_least(least: int, block: str, **values: Any) -> None:
    for key, value in values.items():
        if value < least:
            raise ConfigError(f"{block}.{key}: expected {least} or more, got {value}")


def _interval_or_never(block: str, **values: Any) -> None:
    for key, value in values.items():
        if value < 1 and value != -1:
            raise ConfigError(f"{block}.{key}: expected a number of steps, or -1 for never, got {value}")
