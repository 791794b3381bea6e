"""ppvsr: video super-resolution on PaddlePaddle.

    import ppvsr
    ppvsr.enhance_video("clip.mp4", "output_dir", variant="PPMSVSR")
    for image in ppvsr.enhance_frames(images): ...          # RGB (h, w, 3) uint8 in, (4h, 4w, 3) out
    net = ppvsr.create_model("MSVSR", mid_channels=32)      # options as in the YAML files
    ppvsr.load_weights(net, "weights.pdparams")

Importing ppvsr is free: Paddle, PyAV and OpenCV come in when something needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ppvsr.enhance.video import enhance_frames, enhance_video
    from ppvsr.weights.networks import create_model, load_weights
    from ppvsr.weights.zoo import VARIANTS

__all__ = ["VARIANTS", "__version__", "create_model", "enhance_frames", "enhance_video", "load_weights"]

_HOMES = {
    "VARIANTS": "ppvsr.weights.zoo",
    "create_model": "ppvsr.weights.networks",
    "enhance_frames": "ppvsr.enhance.video",
    "enhance_video": "ppvsr.enhance.video",
    "load_weights": "ppvsr.weights.networks",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ppvsr' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
