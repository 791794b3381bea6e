"""Networks that go on with a film block by block: what they keep in between, and how their branches walk along it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import ClassVar

import paddle
import paddle.nn as nn
from paddle import Tensor

from ppvsr.archs.checks import check_clip, check_frames

Tensors = tuple[Tensor, ...]
Flows = Mapping[str, Tensors]

NO_FLOWS: Flows = {"backward": (), "forward": ()}


@dataclass(frozen=True)
class Pending:
    """A frame whose picture is not known yet, with all that is computed once for a frame.

    frame: (b, 3, h, w).
    flows: (b, 2, h, w) each, between the frame and the one (and the two) before it: "backward" from those to it,
        "forward" from it to those; none at the start of a film.
    feats: (b, c, h, w) each.
    """

    frame: Tensor
    flows: Flows
    feats: Tensors


@dataclass(frozen=True)
class State:
    """What a network keeps of a film between two blocks; it is never changed, so that a block can be computed again.

    pending: frames in order, with the newest always among them.
    carried: by the name of a branch that runs forward, its last states, newest first, at the last frame whose picture
        is known. (Those of later frames were made with too little look-ahead, and will be made again.) Beside them
        stands what else goes forward, such as stage 1 of MSVSR.
    """

    pending: tuple[Pending, ...] = ()
    carried: Mapping[str, Tensors] = field(default_factory=dict)

    def tensors(self) -> Iterator[Tensor]:
        """Yield everything that is kept."""
        for each in self.pending:
            yield from (each.frame, *chain.from_iterable(each.flows.values()), *each.feats)
        yield from chain.from_iterable(self.carried.values())


def link(to_next: Tensor, to_previous: Tensor) -> Flows:
    """Return the flows of a frame, given that from the frame before to it, and that back."""
    return {"backward": (to_next,), "forward": (to_previous,)}


class Clip:
    """Frames in a row that branches walk along, and what is found there.

    frames: (b, 3, h, w) each.  feats: for every frame what was found so far; branches add their states.
    carried: the states to go on from, see State; those of the branches that walk here take their place.
    """

    def __init__(
        self, pending: Sequence[Pending], carried: Mapping[str, Tensors], *, known: int, order: int = 1
    ) -> None:
        self.frames = [each.frame for each in pending]
        self.feats = [list(each.feats) for each in pending]
        self.carried = dict(carried)
        self._flows = [each.flows for each in pending]
        self._known = known
        self._order = order

    def walk(self, branch: str) -> Iterator[tuple[int, Tensors, Tensors]]:
        """Yield the frames in the order of a branch, whose name says `backward` or `forward`; add a state to each.

        Yields (index, the branch's last states, newest first, the flows from this frame to theirs). There are none at
        the first frame, one at the second of a branch that looks two frames back, which is what `order` says.
        """
        backward = "backward" in branch
        states = () if backward else self.carried.get(branch, ())
        frames = range(len(self.frames))
        for i in reversed(frames) if backward else frames:
            if backward:  # flows are with the later one of two frames
                flows = tuple(self._flows[i + 1 + k]["backward"][k] for k in range(len(states)))
            else:
                flows = self._flows[i]["forward"][: len(states)]
            yield i, states, flows
            states = (self.feats[i][-1], *states)[: self._order]
            if not backward and i == self._known - 1:
                self.carried[branch] = states

    def forget_look_ahead(self) -> None:
        """Leave only the frames whose pictures are to be known; branches that walk backward are through."""
        del self.frames[self._known :], self.feats[self._known :], self._flows[self._known :]


class Streaming(nn.Layer, ABC):
    """A recurrent network whose forward branches can go on from where they were; `forward` is one block that is last.

    lag: how many of the newest frames cannot be used yet, because they need later ones.
    order: how many of its last states a branch needs for the next.
    """

    streams: ClassVar[bool] = True
    lag: ClassVar[int] = 0
    order: ClassVar[int] = 1

    def extend(
        self, state: State | None, frames: Sequence[Tensor], *, last: bool, look_ahead: int
    ) -> tuple[list[Tensor], State]:
        """Go on with a film by a block of frames; return the pictures that are known now, in order, and the new state.

        state: of the block before, None at the start of a film; it is not changed.
        frames: (b, 3, h, w) each, RGB in [0, 1]; any number.
        last: whether the film ends here; the new state is then that of a new film.
        look_ahead: frames, at least 1, that the branches which walk backward see beyond the last picture. The newest
            so many of a film have no pictures yet, unless it ends: after n frames n - look_ahead were returned.

        Pictures are (b, 3, s * h, s * w). Flows, features and stage 1 are computed once per frame, branches that walk
        backward start anew with every block.

        Raises ValueError if frames do not suit the network or the frames before, or if `look_ahead` is too short.
        """
        if look_ahead < 1:  # the newest frame has to wait: flows lead from it to the next one
            raise ValueError(f"look_ahead: {look_ahead} must be at least 1")
        state = state or State()
        earlier = [each.frame for each in state.pending[-1:]]
        check_frames(frames, earlier, min_size=self.min_size, multiple=self.size_multiple)
        outputs, state = self._go_on(state, frames, last=last, look_ahead=look_ahead)
        return outputs[-1], state

    def _whole(self, lq: Tensor) -> Tensors:
        """Return all outputs for a clip (b, t, 3, h, w). Raises ValueError if it does not suit the network."""
        check_clip(lq, min_size=self.min_size, multiple=self.size_multiple)
        outputs, _ = self._go_on(State(), lq.unbind(1), last=True)
        return tuple(paddle.stack(pictures, axis=1) for pictures in outputs)

    def _go_on(
        self, state: State, frames: Sequence[Tensor], *, last: bool, look_ahead: int = 1
    ) -> tuple[tuple[list[Tensor], ...], State]:
        """Do what `extend` does; return all outputs of the network."""
        state = self._receive(state, frames, last=last)
        count = len(state.pending)
        known = count if last else max(count - look_ahead, 0)
        outputs: tuple[list[Tensor], ...] = ([],)
        if known:
            usable = count if last else count - self.lag
            clip = Clip(state.pending[:usable], state.carried, known=known, order=self.order)
            outputs = self._enlarge(clip)
            state = State(state.pending[known:], clip.carried)
        return outputs, State() if last else state

    def _receive(self, state: State, frames: Sequence[Tensor], *, last: bool) -> State:
        """Return the state with the frames added, and with all that is computed once for a frame."""
        if not frames:
            return state
        pending = list(state.pending)
        pairs = zip(*self._clip_flows([*(each.frame for each in pending[-1:]), *frames]), strict=True)
        for frame in frames:
            flows = self._link(pending[-1], *next(pairs)) if pending else NO_FLOWS
            pending.append(Pending(frame, flows, self._describe(frame)))
        return State(tuple(pending), state.carried)

    def _clip_flows(self, frames: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return the flows from every frame to the next, and those back."""
        return self.spynet.clip_flows(paddle.stack(frames, axis=1))

    def _link(self, previous: Pending, to_next: Tensor, to_previous: Tensor) -> Flows:
        """Return the flows of a new frame, given those between it and the frame before."""
        return link(to_next, to_previous)

    def _describe(self, frame: Tensor) -> Tensors:
        """Return the features of a frame that need no other frame."""
        return ()

    @abstractmethod
    def _enlarge(self, clip: Clip) -> tuple[list[Tensor], ...]:
        """Run the branches; return the outputs, lists of pictures, of which the last is the answer."""
