"""The networks with published or bundled weights: one row each, and one row for each file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from ppvsr.errors import UsageError

# ---- The networks with published or bundled weights: one row each, and one row for each file.
# Numbers are the authors' own unless a row says otherwise; nothing is fetched here.

PADDLEGAN = "https://paddlegan.bj.bcebos.com/models/"
MB = 2**20
MMAGIC = "https://download.openmmlab.com/mmediting/restorers/"
REDS_BI, VIMEO_BD = "REDS4, bicubic, RGB", "Vimeo-90K-T, blur, Y"
UDM10_BD, VID4_BD = "UDM10, blur, Y", "Vid4, blur, Y"


@dataclass(frozen=True)
class Weights:
    """One file of weights.

    name: for `--weights`. file: its name in the package's `bundled` folder, or else url. trained_on, quality: text for
    people. size: bytes; sha256: hex digits, all or the first; None where nobody published them.
    stable: frames over which a branch may run before frames come under bicubic (benchmarks/stability.py); windows are
    not longer than that unless asked for. None where no such length was found, or not measured.
    """

    name: str
    trained_on: str
    quality: str
    licence: str = "Apache-2.0"
    file: str | None = None
    url: str | None = None
    size: int | None = None
    sha256: str | None = None
    stable: int | None = None


@dataclass(frozen=True)
class Variant:
    """A network as people ask for it: class, options, and the weights that exist, the default ones first.

    arch: its name in YAML files, None for what needs no network. published: test set → (PSNR in dB, SSIM).
    parameters: how many numbers are trained.
    window, overlap: frames at once, and frames of context on either side of a window (benchmarks/seams.py).
    memory: bytes that a pass needs at its peak: for each low-resolution pixel of each frame, for each pixel once, and
    whatever the size; then what a stream carries on, for each pixel and frame of look-ahead and once more for each
    pixel (benchmarks/memory.py).
    """

    name: str
    arch: str | None
    paper: str
    parameters: int
    options: Mapping[str, Any] = field(default_factory=dict)
    weights: tuple[Weights, ...] = ()
    published: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    scale: int = 4
    licence: str = "Apache-2.0"
    window: int = 20
    overlap: int = 5
    memory: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)

    def pick(self, weights: str | None = None) -> Weights:
        """Return the row with the name `weights`, by default the first. Raises UsageError when there is none."""
        if not self.weights:
            raise UsageError(f"{self.name} has no weights; leave --weights out")
        rows = {row.name: row for row in self.weights}
        name = weights if weights is not None else self.weights[0].name
        if name not in rows:
            close = get_close_matches(name, rows, n=1)
            hint = f"; did you mean {close[0]}?" if close else "."
            raise UsageError(f"{self.name} has no weights '{name}'{hint} It has: {', '.join(rows)}; a file works too")
        return rows[name]


REAL = Weights(
    "real",
    file="ppmsvsr_real.safetensors",
    size=5_840_068,
    sha256="245e1fc8c75dcd9b81387e025bd7e112e0974700f5c03dcc7967eecc9c430a2f",
    stable=8,
    trained_on="films and photographs, up to 24 frames at once, as they are or blurred, with noise, and compressed by "
    "H.264, H.265 and MPEG-2",
    quality="+0.76 dB PSNR-Y over bicubic on parts of five validation films compressed by x264 at crf 25, +1.26 dB by "
    "MPEG-2 (measured)",
)
BI = Weights(
    "bi",
    file="ppmsvsr_bi.safetensors",
    size=5_840_068,
    sha256="6788b5c6264e4c154c38e09aadb36f10b5c183634df5d33e5db8028117d3fa4e",
    trained_on="films and photographs, up to 30 frames at once, shrunk four times by Pillow's bicubic",
    quality="+2.41 dB PSNR-Y over bicubic on five validation films (measured); it does not remove compression",
)
SMALL_BI = Weights(
    "bi",
    file="ppmsvsr_small_bi.safetensors",
    size=1_848_324,
    sha256="6c4ae49b35b638d522a383d11db64c1e599a33c056d9b591f94ded59e84f933e",
    stable=20,
    trained_on="films and photographs, shrunk four times by Pillow's bicubic",
    quality="+2.27 dB PSNR-Y over bicubic on five validation films, 0.19 of it from neighbouring frames (measured); "
    "it does not remove compression",
)
# These are bundled. A better file replaces one by its row.

_REDS = "REDS, bicubic"
_ROWS = (
    Variant(
        "PPMSVSR",
        arch="MSVSR",
        paper="https://arxiv.org/abs/2112.02828",
        parameters=1_453_607,
        memory=(2935, 19604, 330 * MB, 284),
        published={
            REDS_BI: (31.2535, 0.8884),
            VIMEO_BD: (37.54, 0.9499),
            VID4_BD: (28.13, 0.8604),
            UDM10_BD: (40.06, 0.9699),
        },
        weights=(
            REAL,
            BI,
            Weights(
                "official",
                url=PADDLEGAN + "PP-MSVSR_reds_x4.pdparams",
                trained_on=_REDS,
                quality="31.25 dB PSNR on REDS4 (published)",
            ),
            Weights(
                "official-vimeo-bd",
                url=PADDLEGAN + "PP-MSVSR_vimeo90k_x4.pdparams",
                trained_on="Vimeo-90K, Gaussian blur",
                quality="28.13 dB PSNR-Y on Vid4, blurred (published)",
            ),
        ),
    ),
    Variant(
        "PPMSVSRLarge",
        arch="MSVSR",
        paper="https://arxiv.org/abs/2112.02828",
        parameters=7_417_197,
        memory=(4955, 44700, 360 * MB, 540),
        options={
            "mid_channels": 64,
            "num_init_blocks": 5,
            "num_blocks": 7,
            "num_reconstruction_blocks": 5,
            "only_last": False,
            "use_tiny_spynet": False,
            "deform_groups": 8,
            "stage1_groups": 8,
            "aux_reconstruction_blocks": 2,
        },
        published={REDS_BI: (32.5321, 0.9083)},
        weights=(
            Weights(
                "official",
                url=PADDLEGAN + "PP-MSVSR-L_reds_x4.pdparams",
                trained_on=_REDS,
                quality="32.53 dB PSNR on REDS4 (published)",
            ),
        ),
    ),
    Variant(
        "PPMSVSRSmall",
        arch="MSVSR",
        paper="https://arxiv.org/abs/2112.02828",
        parameters=456_827,
        memory=(1950, 21000, 330 * MB, 156),
        options={
            "mid_channels": 16,
            "num_init_blocks": 1,
            "num_blocks": 1,
            "num_reconstruction_blocks": 1,
            "deform_groups": 4,
            "stage1_groups": 4,
        },
        weights=(SMALL_BI,),
        overlap=2,
    ),
    Variant(
        "BasicVSR",
        arch="BasicVSRNet",
        paper="https://arxiv.org/abs/2012.02181",
        parameters=6_291_311,
        memory=(1413, 46858, 350 * MB, 142),
        options={"mid_channels": 64, "num_blocks": 30},
        published={REDS_BI: (31.4325, 0.8913)},
        weights=(
            Weights(
                "official",
                url=PADDLEGAN + "BasicVSR_reds_x4.pdparams",
                trained_on=_REDS,
                quality="31.43 dB PSNR on REDS4 (published)",
            ),
            Weights(
                "mmagic-vimeo-bi",
                url=MMAGIC + "basicvsr/basicvsr_vimeo90k_bi_20210409-d2d8f760.pth",
                sha256="d2d8f760",
                trained_on="Vimeo-90K, bicubic",
                quality="27.28 dB PSNR-Y on Vid4, bicubic (published)",
            ),
            Weights(
                "mmagic-vimeo-bd",
                url=MMAGIC + "basicvsr/basicvsr_vimeo90k_bd_20210409-0154dd64.pth",
                sha256="0154dd64",
                trained_on="Vimeo-90K, Gaussian blur",
                quality="27.98 dB PSNR-Y on Vid4, blurred (published)",
            ),
        ),
    ),
    Variant(
        "IconVSR",
        arch="IconVSR",
        paper="https://arxiv.org/abs/2012.02181",
        parameters=8_694_991,
        memory=(1215, 52600, 360 * MB, 0),
        options={"mid_channels": 64, "num_blocks": 30},
        published={REDS_BI: (31.6882, 0.8950)},
        weights=(
            Weights(
                "official",
                url=PADDLEGAN + "IconVSR_reds_x4.pdparams",
                trained_on=_REDS,
                quality="31.69 dB PSNR on REDS4 (published)",
            ),
        ),
    ),
    Variant(
        "BasicVSRPlusPlus",
        arch="BasicVSRPlusPlus",
        paper="https://arxiv.org/abs/2104.13371",
        parameters=7_322_927,
        memory=(1860, 52367, 360 * MB, 662),
        options={"mid_channels": 64, "num_blocks": 7, "is_low_res_input": True},
        published={REDS_BI: (32.4018, 0.9071)},
        weights=(
            Weights(
                "official",
                url=PADDLEGAN + "BasicVSR%2B%2B_reds_x4.pdparams",
                trained_on=_REDS,
                quality="32.40 dB PSNR on REDS4 (published)",
            ),
            Weights(
                "mmagic-vimeo-bi",
                url=MMAGIC + "basicvsr_plusplus/basicvsr_plusplus_c64n7_8x1_300k_vimeo90k_bi_20210305-4ef437e2.pth",
                sha256="4ef437e2",
                trained_on="Vimeo-90K, bicubic",
                quality="27.79 dB PSNR-Y on Vid4, bicubic (published)",
            ),
            Weights(
                "mmagic-vimeo-bd",
                url=MMAGIC + "basicvsr_plusplus/basicvsr_plusplus_c64n7_8x1_300k_vimeo90k_bd_20210305-ab315ab1.pth",
                sha256="ab315ab1",
                trained_on="Vimeo-90K, Gaussian blur",
                quality="29.04 dB PSNR-Y on Vid4, blurred (published)",
            ),
        ),
    ),
    Variant("Bicubic", arch=None, paper="", parameters=0, window=1, overlap=0),
)

VARIANTS: dict[str, Variant] = {variant.name: variant for variant in _ROWS}
ALIASES = {"BasiVSRPlusPlus": "BasicVSRPlusPlus"}  # PaddleGAN's spelling


def find_variant(name: str) -> Variant:
    """Return the variant that people call `name`; PaddleGAN's spelling is known too. Raises UsageError."""
    variant = VARIANTS.get(ALIASES.get(name, name))
    if variant is None:
        close = get_close_matches(name, VARIANTS, n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]}?" if close else "."
        raise UsageError(f"there is no network '{name}'{hint} There are: {', '.join(VARIANTS)}")
    return variant


def describe(variant: Variant, weights: Weights) -> str:
    """Return the line to print before `weights` run for `variant`: what they are, and how to get the official ones."""
    line = f"{variant.name}: weights '{weights.name}', trained on {weights.trained_on}: {weights.quality}."
    if weights.file is None:
        return line
    official = "--weights official" if any(row.name == "official" for row in variant.weights) else None
    ways = filter(None, [official, f"--{variant.name}_weight FILE"])
    return f"{line} They come with ppvsr; for others: {' or '.join(ways)}."


# ---- Published weights of parts of networks, from which PaddleGAN's training starts: flow networks, and IconVSR's
# EDVR.

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
