"""Names on a command line into functions from frames to frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppvsr.assemble.network import find_weights, load_network, network_of
from ppvsr.enhance.bicubic import BicubicEnhancer
from ppvsr.enhance.memory import free_memory
from ppvsr.enhance.pipeline import Enhance
from ppvsr.enhance.plan import Cost, Limits, Plan, make_plan
from ppvsr.errors import UsageError
from ppvsr.framework import check_paddle
from ppvsr.weights.zoo import Variant, Weights, describe, find_variant

MEMORY_SHARE = 0.8  # of what is free, when nobody says how much may be used


@dataclass(frozen=True)
class Cut:
    """How a film may be cut; None leaves the choice to us.

    num_frames: frames at once.  overlap: frames of context on either side, by default at most a quarter of a window.
    memory: bytes that may be used.
    """

    num_frames: int | None = None
    overlap: int | None = None
    memory: int | None = None


@dataclass(frozen=True)
class Stage:
    """One network of the chain: the variant that was asked for, its weights, and whose network that means."""

    variant: Variant
    weights: Weights | Path | None = None

    @property
    def network(self) -> Variant:
        """The variant whose network runs."""
        return self.variant if self.weights is None else network_of(self.variant, self.weights)

    def __str__(self) -> str:
        if isinstance(self.weights, Path):
            return f"{self.variant.name}: weights from {self.weights}"
        return describe(self.variant, self.weights) if self.weights else f"{self.variant.name}: no network, no weights"


def choose_stages(variants: str | Sequence[str], weights: str | Path | Mapping[str, str | Path] | None) -> list[Stage]:
    """Look up every name, and its weights; `weights` is for all of them, or a mapping from variant to weights.

    Raises UsageError for a name that does not exist, PpvsrError when a network is asked for and Paddle is missing.
    """
    stages = []
    for name in [variants] if isinstance(variants, str) else variants:
        variant = find_variant(name)
        wanted = weights.get(variant.name) if isinstance(weights, Mapping) else weights
        stages.append(Stage(variant, find_weights(variant, wanted) if variant.arch or wanted else None))
    if not stages:
        raise UsageError("no variant was named; the usual one is PPMSVSR")
    if any(stage.variant.arch for stage in stages):
        check_paddle()
    return stages


def make_enhancer(stage: Stage, height: int, width: int, bits: int, cut: Cut) -> tuple[Enhance, Plan]:
    """Return the stage as a function from frames to frames, and its plan for frames of this size and depth."""
    network = stage.network
    net: Any = load_network(network, stage.weights) if stage.weights else None
    if net is None:
        cut = Cut(memory=cut.memory)  # every frame for itself
    window = cut.num_frames or network.window
    plan = make_plan(
        height,
        width,
        limits=Limits(net.min_size, net.size_multiple, net.scale) if net else Limits(scale=network.scale),
        cost=Cost(*network.memory) if net else Cost(0, 0, 0),
        window=window,
        overlap=min(network.overlap, window // 4) if cut.overlap is None else cut.overlap,
        memory=cut.memory or int(free_memory() * MEMORY_SHARE),
        sample=2 if bits > 8 else 1,
    )
    if net is None:
        return BicubicEnhancer(network.scale), plan
    from ppvsr.enhance.engine import Enhancer  # needs Paddle

    return Enhancer(net, plan), plan
