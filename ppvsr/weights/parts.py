"""Published weights of parts of networks, from which PaddleGAN's training starts: flow networks, and IconVSR's EDVR."""

from __future__ import annotations

from ppvsr.weights.zoo import PADDLEGAN, Weights

PARTS: dict[str, dict[int, Weights]] = {  # the part's name in its network → its number of parameters → the file
    "spynet": {
        1_440_300: Weights("spynet", "MPI-Sintel", "the flow network of BasicVSR", url=PADDLEGAN + "spynet.pdparams"),
        577_644: Weights(
            "modified_spynet",
            "not published",
            "the flow network of PP-MSVSR-L",
            url=PADDLEGAN + "modified_spynet.pdparams",
        ),
        141_078: Weights(
            "modified_spynet_tiny",
            "not published",
            "the flow network of PP-MSVSR",
            url=PADDLEGAN + "modified_spynet_tiny.pdparams",
        ),
    },
    "edvr": {2_227_488: Weights("edvrm", "REDS", "IconVSR's features of keyframes", url=PADDLEGAN + "edvrm.pdparams")},
}
