"""Checks of options and inputs, shared by the networks."""

from __future__ import annotations

from paddle import Tensor

from ppvsr.errors import ConfigError


def check_groups(option: str, groups: int, channels_option: str, channels: int) -> None:
    """Raise ConfigError unless the channels can be shared out evenly among the deformable groups."""
    if channels < 1:
        raise ConfigError(f"{channels_option}: {channels} is not 1 or more")
    if groups < 1 or channels % groups:
        allowed = ", ".join(str(n) for n in range(1, channels + 1) if channels % n == 0)
        raise ConfigError(f"{option}: {groups} does not divide {channels_option} ({channels}); allowed: {allowed}")


def check_multiple(option: str, value: int, multiple: int) -> None:
    """Raise ConfigError unless the option is a positive multiple of `multiple`."""
    if value < 1 or value % multiple:
        raise ConfigError(f"{option}: {value} is no positive multiple of {multiple}")


def check_clip(lq: Tensor, *, min_size: int, multiple: int = 1, channels: int = 3) -> None:
    """Raise ValueError unless `lq` is a clip (b, t, c, h, w) with sides that a network can work with."""
    if len(lq.shape) != 5 or lq.shape[1] < 1 or lq.shape[2] != channels:
        raise ValueError(f"a clip has the shape (b, t >= 1, {channels}, h, w), this one {tuple(lq.shape)}")
    h, w = lq.shape[3:]
    if min(h, w) < min_size:
        raise ValueError(f"frames of {w}x{h} are too small: both sides must be at least {min_size}; pad them first")
    if h % multiple or w % multiple:
        raise ValueError(f"frames of {w}x{h} do not fit: both sides must be multiples of {multiple}; pad them first")
