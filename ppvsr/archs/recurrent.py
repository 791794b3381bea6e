"""What recurrent networks share: the state between blocks of frames, and how branches walk along a video."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import ClassVar

import paddle
import paddle.nn as nn
from paddle import Tensor

from ppvsr.archs.blocks import HEAD_CHANNELS, SLOPE, check_clip, check_frames, check_part, conv3x3
from ppvsr.archs.spynet import SPyNet
from ppvsr.ops.layers import PixelShufflePack, convolve, flow_warp

# ---- Networks that go on with a film block by block: what they keep in between, and how their branches walk along it.

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
    fixed: nothing is learned from this frame: all that belongs to it is a constant.
    """

    frame: Tensor
    flows: Flows
    feats: Tensors
    fixed: bool = False

    def learning(self) -> AbstractContextManager[object]:
        """Return the block in which things are computed that belong to this frame."""
        return paddle.no_grad() if self.fixed else nullcontext()


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
    first, known: pictures are made of the frames from `first` on, before `known`.
    """

    def __init__(
        self, pending: Sequence[Pending], carried: Mapping[str, Tensors], *, known: int, first: int = 0, order: int = 1
    ) -> None:
        self.frames = [each.frame for each in pending]
        self.feats = [list(each.feats) for each in pending]
        self.carried = dict(carried)
        self._pending = list(pending)
        self._places: dict[str, int] = {}  # of the states of a branch among the `feats` of a frame
        self._first, self._known = first, known
        self._order = order

    def walk(self, branch: str) -> Iterator[tuple[int, Tensors, Tensors]]:
        """Yield the frames in the order of a branch, whose name says `backward` or `forward`; add a state to each.

        Yields (index, the branch's last states, newest first, the flows from this frame to theirs). There are none at
        the first frame, one at the second of a branch that looks two frames back, which is what `order` says.
        What the caller computes with them has no gradient where the frame is fixed.
        """
        backward = "backward" in branch
        self._places[branch] = len(self.feats[0])
        states = () if backward else self.carried.get(branch, ())
        frames = range(len(self.frames))
        for i in reversed(frames) if backward else frames:
            if backward:  # flows are with the later one of two frames
                flows = tuple(self._pending[i + 1 + k].flows["backward"][k] for k in range(len(states)))
            else:
                flows = self._pending[i].flows["forward"][: len(states)]
            with self.learning(i):
                yield i, states, flows
            states = (self.feats[i][-1], *states)[: self._order]
            if not backward and i == self._known - 1:
                self.carried[branch] = states

    def forget_look_ahead(self) -> None:
        """Leave only the frames whose pictures are to be known; branches that walk backward are through."""
        del self.frames[self._known :], self.feats[self._known :], self._pending[self._known :]

    def learning(self, i: int) -> AbstractContextManager[object]:
        """Return the block in which things are computed that belong to a frame."""
        return self._pending[i].learning()

    def shows(self, i: int) -> bool:
        """Whether a picture is to be made of a frame."""
        return self._first <= i < self._known

    def shown(self) -> Iterator[tuple[Tensor, list[Tensor]]]:
        """Yield the frames that pictures are to be made of, with their `feats`."""
        part = slice(self._first, self._known)
        return zip(self.frames[part], self.feats[part], strict=True)

    def states(self) -> dict[str, Tensors]:
        """Return, by branch, its states at the frames that pictures are made of, in the order of the branch."""
        found = {}
        for branch, place in self._places.items():
            states = tuple(feats[place] for _, feats in self.shown())
            found[branch] = states[::-1] if "backward" in branch else states
        return found


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

    def learn(self, lq: Tensor, part: range) -> tuple[Tensors, dict[str, Tensors]]:
        """Run a clip (b, t, 3, h, w), of which the frames of `part` are learned from; the others only bring states.

        Returns the outputs for the frames of `part`, as `forward` has them, and by branch its states (b, c, h, w) at
        them, in the order of the branch. Whatever belongs to another frame (its features, the flows from it, its
        states) is computed without gradient: branches enter `part` from both sides as if they came from far away, and
        memory and backward pass are those of a short clip.

        Raises ValueError if `lq` does not suit the network, or `part` is no part of it.
        """
        check_clip(lq, min_size=self.min_size, multiple=self.size_multiple)
        check_part(part, lq.shape[1])
        state = self._receive(State(), lq.unbind(1), last=True, part=part)
        clip = Clip(state.pending, state.carried, known=part.stop, first=part.start, order=self.order)
        outputs = self._enlarge(clip)
        return tuple(paddle.stack(pictures, axis=1) for pictures in outputs), clip.states()

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

    def _receive(self, state: State, frames: Sequence[Tensor], *, last: bool, part: range | None = None) -> State:
        """Return the state with the frames added, and with all that is computed once for a frame.

        part: of a whole clip, the frames that are learned from; None for all.
        """
        if not frames:
            return state
        pending = list(state.pending)
        pairs = zip(*self._clip_flows([*(each.frame for each in pending[-1:]), *frames], part), strict=True)
        for number, frame in enumerate(frames):
            flows = self._link(pending[-1], *next(pairs)) if pending else NO_FLOWS
            bare = Pending(frame, flows, (), fixed=part is not None and number not in part)
            with bare.learning():
                pending.append(replace(bare, feats=self._describe(frame)))
        return State(tuple(pending), state.carried)

    def _clip_flows(self, frames: list[Tensor], part: range | None = None) -> tuple[list[Tensor], list[Tensor]]:
        """Return the flows from every frame to the next, and those back."""
        return self.spynet.clip_flows(paddle.stack(frames, axis=1), part)

    def _link(self, previous: Pending, to_next: Tensor, to_previous: Tensor) -> Flows:
        """Return the flows of a new frame, given those between it and the frame before."""
        return link(to_next, to_previous)

    def _describe(self, frame: Tensor) -> Tensors:
        """Return the features of a frame that need no other frame."""
        return ()

    @abstractmethod
    def _enlarge(self, clip: Clip) -> tuple[list[Tensor], ...]:
        """Run the branches; return the outputs, lists of pictures, of which the last is the answer."""


# ---- What BasicVSR and its successors share.


class RecurrentNet(nn.Layer):
    """A network with a flow network at its start and four times the resolution at its end."""

    steps: ClassVar[tuple[str, ...]] = ()
    streams: ClassVar[bool] = False
    scale = 4
    min_size = 64
    size_multiple = 1

    def __init__(self, mid_channels: int) -> None:
        super().__init__()
        self.spynet = SPyNet("basic")
        self.upsample1 = PixelShufflePack(mid_channels, mid_channels)
        self.upsample2 = PixelShufflePack(mid_channels, HEAD_CHANNELS)
        self.conv_hr = conv3x3(HEAD_CHANNELS, HEAD_CHANNELS)
        self.conv_last = conv3x3(HEAD_CHANNELS, 3)

    def align(self, state: Tensor, flow: Tensor) -> Tensor:
        """Bring the state of a branch onto a frame, given the flow from the frame to that of the state."""
        return flow_warp(state, flow)

    def residue(self, x: Tensor) -> Tensor:
        """Turn features (b, c, h, w) into what is to be added to an enlarged frame, (b, 3, 4h, 4w)."""
        x = self.upsample2(self.upsample1(x, SLOPE), SLOPE)
        return convolve(self.conv_last, convolve(self.conv_hr, x, slope=SLOPE))
