"""Checks of options and inputs, shared by the networks."""

from __future__ import annotations

from paddle import Tensor

from ppvsr.errors import ConfigError


def check_groups(option: str, groups: int, channels: int, channels_option: str = "mid_channels") -> None:
    """Raise ConfigError unless the channels can be shared out evenly among the deformable groups."""
    if groups < 1 or channels % groups:
        raise ConfigError(f"{option}: {groups} must divide {channels_option} ({channels})")


def check_clip(lq: Tensor, *, min_size: int, multiple: int = 1, frames: int | None = None) -> None:
    """Raise ValueError unless `lq` is a clip (b, t, 3, h, w) with sides that a network can work with."""
    if len(lq.shape) != 5 or lq.shape[2] != 3:
        raise ValueError(f"a clip has the shape (b, t, 3, h, w), this one {tuple(lq.shape)}")
    if frames is not None and lq.shape[1] != frames:
        raise ValueError(f"the network takes {frames} frames at a time, this clip has {lq.shape[1]}")
    h, w = lq.shape[3:]
    if min(h, w) < min_size:
        raise ValueError(f"frames of {w}x{h} are too small: both sides must be at least {min_size}; pad them")
    if h % multiple or w % multiple:
        raise ValueError(f"frames of {w}x{h} do not fit: both sides must be multiples of {multiple}; pad them")
