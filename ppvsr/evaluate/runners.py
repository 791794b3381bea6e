"""Networks, and what stands in for one, as functions from a low-resolution clip to its enlarged frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppvsr.assemble.stages import PLAIN, Cut, Engine, Stage, choose_stages, make_enhancer, plan_stage
from ppvsr.data.frames import Frames
from ppvsr.enhance.pipeline import Enhance
from ppvsr.enhance.plan import Limits, Plan, check_window
from ppvsr.framework import use_device
from ppvsr.train.evaluate import Runner
from ppvsr.video.frames import Frame

Picture = NDArray[np.uint8]


def as_it_is(frames: Frames) -> Iterator[Picture]:
    """Yield the frames of a clip that is a result already."""
    for index in range(len(frames)):
        yield frames[index]


def network_runner(net: Any, *, window: int | None = None, overlap: int = 0) -> Runner:
    """Return a runner of a network on the device in use, in evaluation mode while it runs.

    net: a Layer with `scale`, `min_size` and `size_multiple`.  window: frames at once, with `overlap` frames of context
    on either side; None is the whole clip in one forward pass. Raises UsageError for windows that cannot be.
    """
    if window is not None:
        check_window(window, overlap, "--window")
    return lambda frames: _run(net, net, frames, window, overlap)


def mirrored_runner(net: Any) -> Runner:
    """Return a runner that gives the network each clip together with its reverse, and averages the two results.

    A clip of t frames is one forward pass of 2t, as in the evaluation of MindEditing; the mean is taken before it is
    rounded. Only for whole clips: a window has no such mirror.
    """
    return lambda frames: _run(net, lambda lq: (_both_ways(net, lq),), frames, None, 0)


def flow_runner(net: Any) -> Runner:
    """Return a runner of a flow network: pairs (h, w, 6) become flow (h, w, 3): pixels along x and y, and nothing."""

    def run(pairs: Frames) -> Iterator[Picture]:
        import paddle

        with _evaluating(net), paddle.no_grad():
            for index in range(len(pairs)):
                pair = paddle.to_tensor(pairs[index]).transpose([2, 0, 1]).unsqueeze(0).astype("float32") / 255
                flow = net(pair[:, :3], pair[:, 3:])[0].transpose([1, 2, 0]).numpy()
                yield np.pad(flow, ((0, 0), (0, 0), (0, 1)))

    return run


def variant_runner(
    name: str,
    weights: str | Path | None = None,
    *,
    window: int | None = None,
    overlap: int | None = None,
    whole: bool = False,
    memory: int | None = None,
    device: str | None = None,
    engine: Engine = PLAIN,
    say: Callable[[str], Any] = lambda line: None,
) -> VariantRunner:
    """Return a runner of a variant with its weights; names and windows are looked up and checked at once.

    window, overlap: by default the variant's own.  whole: one window as long as the clip.  memory: bytes that may be
    used; frames that need more are cut into tiles.  engine: what runs the network, Paddle's own operators unless told
    otherwise.  say: hears which device and plan are used.
    Raises UsageError and, without a usable Paddle, PpvsrError; WeightsError when it runs.
    """
    if window is not None and overlap is not None:
        check_window(window, overlap, "--window")
    cut = Cut(window, overlap, memory)
    (stage,) = choose_stages(name, weights, cut)
    return VariantRunner(stage, cut, whole=whole, device=device, engine=engine, say=say)


class VariantRunner:
    """A variant as a runner; the weights are loaded at the first clip and kept."""

    def __init__(
        self,
        stage: Stage,
        cut: Cut | None = None,
        *,
        whole: bool = False,
        device: str | None = None,
        engine: Engine = PLAIN,
        say: Callable[[str], Any] = lambda line: None,
    ) -> None:
        self.stage = stage
        self._cut = cut or Cut()
        self._whole = whole
        self._device = device
        self._engine = engine
        self._say = say
        self._ready: Callable[[Plan], Enhance] | None = None
        self._plans: dict[tuple[int, int, Cut], Plan] = {}

    def __call__(self, frames: Frames) -> Iterator[Picture]:
        """Yield the enlarged frames of a clip."""
        _, height, width, _ = frames.shape
        cut = replace(self._cut, num_frames=len(frames), overlap=0) if self._whole else self._cut
        return _enlarge(self._enhancer(height, width, cut), frames)

    def _enhancer(self, height: int, width: int, cut: Cut) -> Enhance:
        if self._ready is None and self.stage.variant.arch:
            self._say(f"device: {use_device(self._device)}")
        if (height, width, cut) not in self._plans:
            plan, net = plan_stage(self.stage, height, width, cut, encoded=False)
            self._say(f"plan: {plan}")
            self._plans[height, width, cut] = plan
            self._ready = self._ready or self._prepare(plan, net)
        assert self._ready is not None
        return self._ready(self._plans[height, width, cut])

    def _prepare(self, plan: Plan, net: Any) -> Callable[[Plan], Enhance]:
        """Load the weights; return what makes an enhancer with them for any plan."""
        first = make_enhancer(self.stage, plan, net, self._engine, self._say)
        if net is None:
            return lambda _: first
        from ppvsr.enhance.engine import Enhancer  # needs Paddle

        return lambda plan: Enhancer(net, plan)


def _run(
    net: Any, forward: Callable[[Any], Any], frames: Frames, window: int | None, overlap: int
) -> Iterator[Picture]:
    from ppvsr.enhance.engine import Enhancer  # needs Paddle

    count, height, width, _ = frames.shape
    limits = Limits(net.min_size, net.size_multiple, net.scale)
    tile = limits.padded(height), limits.padded(width)  # whole pictures: tiles would change the numbers
    plan = Plan(height, width, limits, window or count, overlap, tile, peak=0)
    with _evaluating(net):
        yield from _enlarge(Enhancer(forward, plan), frames)


def _both_ways(net: Any, lq: Any) -> Any:
    """Return the mean of a network's results on a clip (1, t, 3, h, w) and on its reverse, computed as one clip."""
    import paddle

    count = lq.shape[1]
    result = net(paddle.concat([lq, lq.flip(1)], axis=1))[-1]
    return (result[:, :count] + result[:, count:].flip(1)) / 2


def _enlarge(enhance: Enhance, frames: Frames) -> Iterator[Picture]:
    stream = (Frame(frames[index], Fraction(index)) for index in range(len(frames)))
    for frame in enhance(stream):
        yield frame.image  # type: ignore[misc]


@contextmanager
def _evaluating(net: Any) -> Iterator[None]:
    training = net.training
    net.eval()
    try:
        yield
    finally:
        if training:
            net.train()
