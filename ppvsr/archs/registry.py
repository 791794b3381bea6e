"""The networks by the names that YAML files give them. A literal table; nothing registers itself."""

from __future__ import annotations

from paddle.nn import Layer

from ppvsr.archs.basicvsr import BasicVSR, IconVSR
from ppvsr.archs.basicvsr_pp import BasicVSRPlusPlus
from ppvsr.archs.edvr import EDVRNet
from ppvsr.archs.msvsr import MSVSR
from ppvsr.archs.spynet import SPyNet

ARCHS: dict[str, type[Layer]] = {
    "MSVSR": MSVSR,
    "BasicVSRNet": BasicVSR,
    "IconVSR": IconVSR,
    "BasicVSRPlusPlus": BasicVSRPlusPlus,
    "EDVRNet": EDVRNet,
    "SPyNet": SPyNet,
}
