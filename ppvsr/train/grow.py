"""A larger PP-MSVSR that begins where a smaller one ended, with the same answers (Net2Net, arXiv 1511.05641)."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ppvsr.errors import UsageError
from ppvsr.ops.deform import TAPS
from ppvsr.system.paddle import import_paddle
from ppvsr.weights.files import save
from ppvsr.weights.networks import create_model, find_weights, load_network
from ppvsr.weights.zoo import Variant, find_variant

if TYPE_CHECKING:
    from ppvsr.archs.msvsr import MSVSR


# ---- A larger PP-MSVSR that begins where a smaller one ended, wider and deeper, with the same answers (arXiv
# 1511.05641).
# Features of the small network stand among those of the large one, which read only each other; the new ones start at
# random and nobody reads them yet. New residual blocks add nothing yet. From there on, everything learns.

NEW = -1  # where the small network has no such channel
PICTURE = 3  # channels
PICTURE_FIRST = ("aux_block_down1.0.",)  # convolutions that read a picture before the features
BEGIN_AT_ZERO = (".conv2.",)  # of a residual block: the last thing before it adds


def grow(small: MSVSR, large: MSVSR) -> None:
    """Give `large` weights by which it computes what `small` computes, but for rounding.

    `large` needs at least the channels and blocks of `small`, deformable groups that are multiples of those of `small`,
    and the same flow network and stages. What is new in it keeps the weights that it has.
    Raises ValueError, and then has not touched it.
    """
    was, now = ({name: tensor.numpy() for name, tensor in net.state_dict().items()} for net in (small, large))
    odd = [name for name in was if name not in now]
    odd += [name for name in now if name not in was and ".blocks." not in name]
    if odd:
        raise ValueError(f"the large network is none that the small one could become: {odd[0]}")
    features = _features(small, large)
    grown = {}
    for name, weight in now.items():
        if name not in was:
            grown[name] = np.zeros_like(weight) if any(part in name for part in BEGIN_AT_ZERO) else weight
        elif weight.shape == was[name].shape:
            grown[name] = was[name]
        else:
            rows = _rows(name, weight, was[name], features)
            columns = _columns(name, weight, features) if weight.ndim == 4 else None
            grown[name] = _planted(was[name], weight, rows, columns)
    large.set_state_dict(grown)


def _features(small: MSVSR, large: MSVSR) -> np.ndarray:
    """Return which feature of `small` stands at each place of `large`; those of a group stay in the parts of it."""
    parts = 1
    for mine, yours in zip(_groups(small), _groups(large), strict=True):
        if yours % mine:
            raise ValueError(f"{yours} deformable groups of the large network are no multiple of {mine}")
        parts = max(parts, mine)
    c, wide = _width(small), _width(large)
    if wide < c or c % parts or wide % parts:
        raise ValueError(f"{c} channels in {parts} parts do not fit into {wide}")
    to = np.full((parts, wide // parts), NEW)
    to[:, : c // parts] = np.arange(c).reshape(parts, -1)
    return to.reshape(-1)


def _groups(net: MSVSR) -> tuple[int, ...]:
    return tuple(align.dcn.groups for align in chain([net.stage1_align], net.deform_align.values()))


def _width(net: MSVSR) -> int:
    return int(net.upsample1.upsample_conv.weight.shape[1])


def _rows(name: str, weight: np.ndarray, was: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Return which output of the small network each one of the large network continues."""
    if len(weight) == len(features):
        return features
    if len(weight) == 4 * len(features):  # to be shuffled to four pixels
        return np.where(features[:, None] < 0, NEW, 4 * features[:, None] + np.arange(4)).reshape(-1)
    if "conv_offset." in name:  # every group of the large network looks where the one does that it is a part of
        groups = len(weight) // (3 * TAPS)
        mine = np.arange(groups) * (len(was) // (3 * TAPS)) // groups
        offsets = (2 * TAPS * mine)[:, None] + np.arange(2 * TAPS)
        masks = 2 * len(was) // 3 + (TAPS * mine)[:, None] + np.arange(TAPS)
        return np.concatenate([offsets.reshape(-1), masks.reshape(-1)])
    return np.arange(len(weight))


def _columns(name: str, weight: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Return which input of the small network each one of the large network continues.

    Inputs are several features, one after another, with a picture before or flows after them.
    """
    count, wide, c = weight.shape[1], len(features), int(features.max()) + 1
    first = PICTURE if name.startswith(PICTURE_FIRST) or count == PICTURE else 0
    times = (count - first) // wide
    places = [np.arange(first)]
    places += [np.where(features < 0, NEW, first + i * c + features) for i in range(times)]
    places += [first + times * c + np.arange(count - first - times * wide)]
    return np.concatenate(places)


def _planted(was: np.ndarray, weight: np.ndarray, rows: np.ndarray, columns: np.ndarray | None) -> np.ndarray:
    """Return `weight` with what continues the small network in it."""
    to, old = weight.copy(), rows >= 0
    if columns is None:
        to[old] = was[rows[old]]
        return to
    to[old] = 0
    kept = columns >= 0
    to[np.ix_(old, kept)] = was[np.ix_(rows[old], columns[kept])]
    return to


# ---- The weights of a small PP-MSVSR as the start of a larger one.

ARCH = "MSVSR"  # the architecture that can grow


def grow_weights(
    source: str, target: str | Path, small: str, large: str, *, seed: int = 0, overwrite: bool = False
) -> None:
    """Write the weights of a network `large` that computes what `small` computes with the weights `source`.

    source: a file, or the name of a row such as `bi`.  small, large: variants of PP-MSVSR.  seed: of what is new.
    Raises UsageError when the one cannot become the other, WeightsError for a bad file; then nothing is written.
    """
    paddle = import_paddle()
    from ppvsr.ops.init import reset_weights

    variants = [_variant(name) for name in (small, large)]
    grown = load_network(variants[0], find_weights(variants[0], source))
    paddle.seed(seed)
    net = create_model(ARCH, **variants[1].options)
    reset_weights(net)
    try:
        grow(grown, net)
    except ValueError as error:
        raise UsageError(f"{small} cannot become {large}: {error}") from error
    save({name: tensor.numpy() for name, tensor in net.state_dict().items()}, target, overwrite=overwrite)


def _variant(name: str) -> Variant:
    variant = find_variant(name)
    if variant.arch != ARCH:
        raise UsageError(f"{name} is no PP-MSVSR; only that can grow")
    return variant
