"""Every `name:` of a config → the class it means. A literal table each; nothing registers itself."""

from __future__ import annotations

from paddle.nn import Layer

from ppvsr.archs.basicvsr import BasicVSR
from ppvsr.archs.basicvsr_pp import BasicVSRPlusPlus
from ppvsr.archs.edvr import EDVRNet
from ppvsr.archs.iconvsr import IconVSR
from ppvsr.archs.msvsr import MSVSR

ARCHS: dict[str, type[Layer]] = {
    "MSVSR": MSVSR,
    "BasicVSRNet": BasicVSR,
    "IconVSR": IconVSR,
    "BasicVSRPlusPlus": BasicVSRPlusPlus,
    "EDVRNet": EDVRNet,
}
