"""The networks that run over a film, one after the other, as one function from frames to frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ppvsr.assemble.stages import Cut, Engine, Stage, make_enhancer, plan_stage
from ppvsr.enhance.pipeline import Enhance, chained
from ppvsr.enhance.plan import Plan
from ppvsr.video.frames import VideoInfo


@dataclass(frozen=True)
class Link:
    """One stage of the chain, how it runs, and its network, still without weights (None for bicubic)."""

    stage: Stage
    plan: Plan
    net: Any


def plan_chain(stages: Sequence[Stage], info: VideoInfo, cut: Cut, *, encoded: bool) -> Iterator[Link]:
    """Plan every stage for the size at which it gets its frames; `encoded`: whether the last one's become a film."""
    height, width = info.height, info.width
    for stage in stages:
        last = stage is stages[-1]
        yield Link(stage, *plan_stage(stage, height, width, cut, bits=info.bits, encoded=encoded and last))
        height, width = height * stage.variant.scale, width * stage.variant.scale


def scale_of(stages: Sequence[Stage]) -> int:
    """Return how many times larger the chain makes a picture."""
    return math.prod(stage.variant.scale for stage in stages)


def context_of(links: Sequence[Link]) -> int:
    """Return how many frames beyond its own a piece of the film needs on either side."""
    return sum(link.plan.overlap for link in links)


def make_chain(links: Sequence[Link], engine: Engine, say: Callable[[str], Any]) -> Enhance:
    """Return the whole chain, with weights, which may be downloaded, and ready to run, which may mean compiled."""
    return chained([make_enhancer(link.stage, link.plan, link.net, engine, say) for link in links])
