"""Networks as functions from a low-resolution clip to its enlarged frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ppvsr.data.clips import Frames
from ppvsr.evaluate.evaluate import Runner
from ppvsr.video.frames import Frame

if TYPE_CHECKING:
    from ppvsr.enhance.chunks import Enhance

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
        from ppvsr.enhance.plan import check_window  # late: training may do without

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


def _run(
    net: Any, forward: Callable[[Any], Any], frames: Frames, window: int | None, overlap: int
) -> Iterator[Picture]:
    from ppvsr.enhance.engine import Enhancer  # needs Paddle
    from ppvsr.enhance.plan import Limits, Plan

    count, height, width, _ = frames.shape
    limits = Limits(net.min_size, net.size_multiple, net.scale)
    tile = limits.padded(height), limits.padded(width)  # whole pictures: tiles would change the numbers
    plan = Plan(height, width, limits, window or count, overlap, tile, peak=0)
    with _evaluating(net):
        yield from _enlarge(Enhancer(forward, plan, guard=False), frames)  # the network itself is measured


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
