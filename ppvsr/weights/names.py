"""Names of parameters: PaddleGAN's, mmagic's (also of the repository BasicVSR_PlusPlus) and BasicSR's, and ours.

One table per neighbouring pair of namings. In a row, `{}` is the same number on both sides. Rows apply one after
another, in reverse for the way back, which is exact for the networks the table is made for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import count

import numpy as np

from ppvsr.errors import WeightsError

Rows = tuple[tuple[str, str], ...]

PADDLEGAN: Rows = (  # PaddleGAN's spelling, ours
    ("covn1.", "conv_in."),
    ("ResidualBlocks.block{}.", "blocks.{}."),
    ("basic_module{}.conv{}.", "levels.{}.conv{}."),
    ("basic_module.{}.basic_module.{}.conv.", "levels.{}.{}.conv."),
)

BRANCHES = ("backward_1", "forward_1", "backward_2", "forward_2")
MMAGIC: Rows = (  # mmagic's, PaddleGAN's
    *((f"basic_module.{{}}.basic_module.{i}.conv.", f"basic_module{{}}.conv{i + 1}.") for i in range(5)),
    ("main.0.", "covn1."),
    ("main.2.{}.", "ResidualBlocks.block{}."),
    *((f"backbone.{branch}.", f"backbone_{branch}.") for branch in BRANCHES),
    *((f"deform_align.{branch}.conv_offset.", f"deform_align_{branch}.conv_offset.") for branch in BRANCHES),
    *((f"deform_align.{branch}.", f"deform_align_{branch}.dcn.") for branch in BRANCHES),
    ("feat_l{}_conv{}.conv.", "feat_l{}_conv{}."),
    ("pcd_alignment.offset_conv{0}.l{1}.conv.", "pcd_alignment.PCD_Align_L{1}_offset_conv{0}."),
    ("pcd_alignment.feat_conv.l{}.conv.", "pcd_alignment.PCD_Align_L{}_fea_conv."),
    ("pcd_alignment.dcn_pack.l{}.conv_offset.", "pcd_alignment.PCD_Align_L{}_dcn.conv_offset_mask."),
    ("pcd_alignment.dcn_pack.l{}.", "pcd_alignment.PCD_Align_L{}_dcn.dcn."),
    ("pcd_alignment.cas_offset_conv{}.conv.", "pcd_alignment.PCD_Align_cas_offset_conv{}."),
    ("pcd_alignment.cas_dcnpack.conv_offset.", "pcd_alignment.PCD_Align_cascade_dcn.conv_offset_mask."),
    ("pcd_alignment.cas_dcnpack.", "pcd_alignment.PCD_Align_cascade_dcn.dcn."),
    ("fusion.temporal_attn1.", "fusion.tAtt_2."),  # the numbers are swapped:
    ("fusion.temporal_attn2.", "fusion.tAtt_1."),  # mmagic's first looks at the reference frame, PaddleGAN's second
    ("fusion.feat_fusion.conv.", "fusion.fea_fusion."),
    ("fusion.spatial_attn{}.conv.", "fusion.sAtt_{}."),
    ("fusion.spatial_attn5.", "fusion.sAtt_5."),
    ("fusion.spatial_attn_l{}.conv.", "fusion.sAtt_L{}."),
    ("fusion.spatial_attn_add1.conv.", "fusion.sAtt_add_1."),
    ("fusion.spatial_attn_add2.", "fusion.sAtt_add_2."),
)

BASICSR: Rows = (  # BasicSR's, mmagic's
    *((f"basic_module.{{}}.basic_module.{2 * i}.", f"basic_module.{{}}.basic_module.{i}.conv.") for i in range(5)),
    ("backward_trunk.", "backward_resblocks."),
    ("forward_trunk.", "forward_resblocks."),
    ("upconv{}.", "upsample{}.upsample_conv."),
    ("conv_l{}_{}.", "feat_l{}_conv{}.conv."),
    ("pcd_align.offset_conv{}.l{}.", "pcd_alignment.offset_conv{}.l{}.conv."),
    ("pcd_align.feat_conv.l{}.", "pcd_alignment.feat_conv.l{}.conv."),
    ("pcd_align.cas_offset_conv{}.", "pcd_alignment.cas_offset_conv{}.conv."),
    ("pcd_align.", "pcd_alignment."),
    ("fusion.feat_fusion.", "fusion.feat_fusion.conv."),
    *((f"fusion.spatial_attn{i}.", f"fusion.spatial_attn{i}.conv.") for i in range(1, 5)),
    ("fusion.spatial_attn_l{}.", "fusion.spatial_attn_l{}.conv."),
    ("fusion.spatial_attn_add1.", "fusion.spatial_attn_add1.conv."),
)

MARKS = (  # a naming is the first of which a key has the mark
    ("basicsr", r"basic_module\.\d+\.basic_module\.\d+\.(weight|bias)$|(^|\.)pcd_align\."),
    ("paddlegan", r"(^|\.)covn1\.|(^|\.)ResidualBlocks\.|basic_module\d|basic_module\.\d+\.basic_module\.5\.conv\."),
    ("mmagic", r"(^|\.)main\.[02]\.|basic_module\.\d+\.basic_module\.\d+\.conv\.|pcd_alignment\.offset_conv"),
)


def _substitutions(rows: Iterable[tuple[str, str]]) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Compile rows (old, new): `old` is found where a part of a key starts."""
    return tuple(_substitution(old, new) for old, new in rows)


def _substitution(old: str, new: str) -> tuple[re.Pattern[str], str]:
    numbers, places = count(), count()
    named = re.sub(r"\\\{(\d*)\\\}", lambda m: rf"(?P<n{m[1] or next(numbers)}>\d+)", re.escape(old))
    return re.compile(rf"(^|\.){named}"), r"\g<1>" + re.sub(
        r"\{(\d*)\}", lambda m: rf"\g<n{m[1] or next(places)}>", new
    )


def _inverse(rows: Rows) -> Rows:
    return tuple((new, old) for old, new in reversed(rows))


_FROM_PADDLEGAN, _TO_PADDLEGAN = _substitutions(PADDLEGAN), _substitutions(_inverse(PADDLEGAN))
_TO_OURS = {
    "ours": (),
    "paddlegan": _FROM_PADDLEGAN,
    "mmagic": _substitutions(MMAGIC + PADDLEGAN),
    "basicsr": _substitutions(BASICSR + MMAGIC + PADDLEGAN),
}


def _apply(substitutions: Iterable[tuple[re.Pattern[str], str]], key: str) -> str:
    for pattern, new in substitutions:
        key = pattern.sub(new, key)
    return key


def from_paddlegan(key: str) -> str:
    """Return our name of the parameter that PaddleGAN calls `key`."""
    return _apply(_FROM_PADDLEGAN, key)


def to_paddlegan(key: str) -> str:
    """Return PaddleGAN's name of the parameter that we call `key`."""
    return _apply(_TO_PADDLEGAN, key)


def recognise(keys: Iterable[str]) -> str:
    """Return the naming that parameters follow: `ours`, `paddlegan`, `mmagic` or `basicsr`.

    Names that are the same in two namings (those of EDVR in PaddleGAN's and ours) count as ours.
    """
    text = "\n".join(keys)
    return next((naming for naming, mark in MARKS if re.search(mark, text, re.MULTILINE)), "ours")


def to_ours(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the same arrays under our names, whichever of the four namings they follow.

    Raises WeightsError when two of them would get the same name.
    """
    substitutions = _TO_OURS[recognise(arrays)]
    renamed = {_apply(substitutions, key): array for key, array in arrays.items()}
    if len(renamed) < len(arrays):
        raise WeightsError(f"two of {len(arrays)} parameters have the same name in our naming; the file mixes namings")
    return renamed
