"""Names on a command line into functions from frames to frames, one network or several in a row."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from ppvsr.enhance.chunks import Enhance, chained
from ppvsr.enhance.plan import Cost, Limits, Plan, check_window, make_plan
from ppvsr.errors import UsageError
from ppvsr.resize import resize
from ppvsr.system.machine import free_memory
from ppvsr.system.paddle import check_paddle
from ppvsr.video.frames import Frame, VideoInfo
from ppvsr.weights.networks import create_model, fill, find_weights
from ppvsr.weights.zoo import Variant, Weights, describe, find_variant

# ---- The baseline that every network must beat, with the same interface; needs neither weights nor Paddle.


class BicubicEnhancer:
    """Frames in, frames `scale` times larger out, by MATLAB's bicubic."""

    def __init__(self, scale: int = 4) -> None:
        self.scale = scale

    def __call__(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Enlarge a stream, frame by frame."""
        for frame in frames:
            height, width = frame.image.shape[:2]
            yield replace(frame, image=resize(frame.image, height * self.scale, width * self.scale))


# ---- Names on a command line into functions from frames to frames.

Backend = Literal["auto", "compiled", "dygraph"]  # of ppvsr.compile.backend, which needs Paddle
MEMORY_SHARE = 0.8  # of what is free, when nobody says how much may be used


BACKENDS: tuple[Backend, ...] = ("auto", "compiled", "dygraph")


@dataclass(frozen=True)
class Cut:
    """How a film may be cut; None leaves the choice to us.

    num_frames: frames at once.  overlap: frames of context on either side, by default at most a quarter of a window.
    memory: bytes that may be used.  streaming: whether networks that can go on where they stopped do so.
    """

    num_frames: int | None = None
    overlap: int | None = None
    memory: int | None = None
    streaming: bool = True

    def window_of(self, network: Variant, weights: Weights | Path | None = None) -> tuple[int, int]:
        """Return the window and the overlap for a network; by default no longer than its weights are stable."""
        if network.arch is None:
            return 1, 0  # every frame for itself
        stable = weights.stable if isinstance(weights, Weights) else None
        window = min(network.window, stable or network.window) if self.num_frames is None else self.num_frames
        return window, min(network.overlap, window // 4) if self.overlap is None else self.overlap


@dataclass(frozen=True)
class Engine:
    """What runs the networks. backend: auto, compiled or dygraph.  threads: of the CPU; None is all there are."""

    backend: Backend = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise UsageError(f"backend {self.backend!r}: there are {', '.join(BACKENDS)}")
        if self.threads is not None and self.threads < 1:
            raise UsageError(f"threads {self.threads}: must be at least 1")


PLAIN = Engine("dygraph")


@dataclass(frozen=True)
class Stage:
    """One network of the chain: the variant that was asked for, and its weights."""

    variant: Variant
    weights: Weights | Path | None = None

    def __str__(self) -> str:
        if isinstance(self.weights, Path):
            return f"{self.variant.name}: weights from {self.weights}"
        return describe(self.variant, self.weights) if self.weights else f"{self.variant.name}: no network, no weights"


def choose_stages(
    variants: str | Sequence[str],
    weights: str | Path | Mapping[str, str | Path] | None,
    cut: Cut | None = None,
) -> list[Stage]:
    """Look up every name, and its weights; `weights` is for all networks, or a mapping from variant to weights.

    Raises UsageError for a name that does not exist and for windows that cannot be, PpvsrError when a network is asked
    for and Paddle is missing.
    """
    chain = [find_variant(name) for name in ([variants] if isinstance(variants, str) else variants)]
    if not chain:
        raise UsageError("no variant was named; the usual one is PPMSVSR")
    given = {find_variant(name).name: value for name, value in weights.items()} if isinstance(weights, Mapping) else {}
    unused = set(given) - {variant.name for variant in chain}
    if unused:
        raise UsageError(f"weights are given for {', '.join(sorted(unused))}, which is not asked for")
    networks = [variant for variant in chain if variant.arch]
    if weights is not None and not isinstance(weights, Mapping):
        given = {variant.name: weights for variant in networks or chain}
    stages = []
    for variant in chain:
        wanted = given.get(variant.name)
        stages.append(Stage(variant, find_weights(variant, wanted) if variant.arch or wanted is not None else None))
    for stage in stages:
        check_window(*(cut or Cut()).window_of(stage.variant, stage.weights))
    if networks:
        check_paddle()
    return stages


def plan_stage(
    stage: Stage, height: int, width: int, cut: Cut, *, bits: int = 8, encoded: bool = True
) -> tuple[Plan, Any]:
    """Return the plan for frames of this size and depth, and the network (None for bicubic), still without weights."""
    variant = stage.variant
    net: Any = create_model(variant.arch, **variant.options) if variant.arch else None
    window, overlap = cut.window_of(variant, stage.weights)
    plan = make_plan(
        height,
        width,
        limits=Limits(net.min_size, net.size_multiple, net.scale) if net else Limits(scale=variant.scale),
        cost=Cost(*variant.memory) if net else Cost(0, 0, 0),
        window=window,
        overlap=overlap,
        streaming=cut.streaming and getattr(net, "streams", False),
        shorten=bool(net) and cut.num_frames is None,
        least_overlap=None if cut.num_frames or cut.overlap is not None else min(1, overlap),
        memory=int(free_memory() * MEMORY_SHARE) if cut.memory is None else cut.memory,
        sample=2 if bits > 8 else 1,
        encoded=encoded,
    )
    return plan, net


def make_enhancer(
    stage: Stage, plan: Plan, net: Any, engine: Engine = PLAIN, say: Callable[[str], Any] = lambda line: None
) -> Enhance:
    """Return the stage as a function from frames to frames; loads the weights, and may download them first.

    May compile the network, too, and says so; what it computes is checked, and computed again on dygraph if need be.
    Raises PpvsrError when compiling is asked for and not possible.
    """
    if net is None or stage.weights is None:
        return BicubicEnhancer(stage.variant.scale)
    from ppvsr.compile.backend import use_backend
    from ppvsr.enhance.engine import Enhancer  # needs Paddle

    fill(net, stage.weights)
    options = stage.variant.options
    if engine != PLAIN:
        used = use_backend(net, options, engine.backend, threads=engine.threads, say=say)
        say(f"{stage.variant.name}: runs on the {used} backend")
    safer = partial(use_backend, net, options, "dygraph", threads=engine.threads)
    return Enhancer(net, plan, safer=None if engine.backend == "dygraph" else safer, say=say)


# ---- The networks that run over a film, one after the other, as one function from frames to frames.


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
