"""What a network starts from: published flow weights for its parts, random numbers for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ppvsr.config.build import hint
from ppvsr.errors import ConfigError, WeightsError
from ppvsr.weights.fetch import fetch
from ppvsr.weights.load import load_weights
from ppvsr.weights.parts import PARTS

if TYPE_CHECKING:
    from paddle.nn import Layer

OFFICIAL = "official"


def parts_of(net: Layer) -> dict[str, int]:
    """Return the parts of `net` that have published weights, with their numbers of parameters."""
    children = dict(net.named_children())
    counts = {
        name: sum(int(np.prod(p.shape)) for p in children[name].parameters()) for name in PARTS if name in children
    }
    return {name: count for name, count in counts.items() if count in PARTS[name]}


def load_parts(net: Layer, wanted: Mapping[str, str | None]) -> list[str]:
    """Give the parts of a network their weights; return a line about each.

    wanted: part → a file, "official" (which may download), or None for a random start. A part that is not named is
    official, as in PaddleGAN. Raises ConfigError for a part that the network does not have, WeightsError when the
    weights cannot be had.
    """
    parts = parts_of(net)
    children = {name for name, _ in net.named_children()}
    for name in wanted:
        if name not in children:
            raise ConfigError(f"pretrained.{name}: {type(net).__name__} has no such part{hint(name, parts)}")
    lines = []
    for name in dict.fromkeys([*parts, *wanted]):
        source = wanted.get(name, OFFICIAL)
        if source is None:
            lines.append(f"{name}: starts from random numbers")
            continue
        try:
            path = _file(name, source, parts)
            load_weights(getattr(net, name), path)
        except WeightsError as error:
            raise WeightsError(
                f"{error}; or name a file by -o pretrained.{name}=FILE, null for a random start"
            ) from error
        lines.append(f"{name}: starts from {path}")
    return lines


def _file(name: str, source: str, parts: Mapping[str, int]) -> Path:
    if source != OFFICIAL:
        return Path(source)
    if name not in parts:
        raise ConfigError(f"pretrained.{name}: nobody published weights of this size; name a file, or null")
    return fetch(PARTS[name][parts[name]])
