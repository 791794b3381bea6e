"""`tools/convert_weights.py` and `tools/grow_weights.py`: weight files from one kind, or size, into another."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ppvsr import __version__
from ppvsr.cli.common import Parser, natural, run_command
from ppvsr.errors import PpvsrError
from ppvsr.weights.files import NAMINGS, read, save
from ppvsr.weights.names import recognise

# ---- `convert_weights IN OUT`: a weight file of any kind becomes a .safetensors, .npz or .pdparams file.

CONVERT_DESCRIPTION = """Convert weights of video super-resolution networks.

IN is told by its content: .safetensors, .npz, PaddleGAN's .pdparams (weights or checkpoints), PyTorch's .pth of mmagic,
BasicVSR_PlusPlus or BasicSR. Nothing in it is executed, and neither PyTorch nor PaddlePaddle is needed.
OUT is told by its ending: .safetensors (our names), .npz or .pdparams (PaddleGAN's names, which PaddleGAN opens)."""


def convert_main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, 1 for a bad file, 2 for a bad request."""
    parser = argparse.ArgumentParser(
        "convert_weights", description=CONVERT_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", metavar="IN")
    parser.add_argument("target", metavar="OUT")
    parser.add_argument(
        "--naming", choices=NAMINGS, help="the names to write, instead of those usual for the ending of OUT"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")
    args = parser.parse_args(argv)
    try:
        arrays = read(args.source)
        save(arrays, args.target, naming=args.naming, overwrite=args.overwrite)
    except PpvsrError as error:
        print(f"convert_weights: {error}", file=sys.stderr)
        return error.exit_code
    count = sum(array.size for array in arrays.values())
    print(f"{args.target}: {len(arrays)} arrays, {count:,} numbers; the names in {args.source}: {recognise(arrays)}")
    return 0


# ---- `tools/grow_weights.py`: a larger PP-MSVSR that begins where a smaller one ended.

GROW = "grow_weights"
GROW_DESCRIPTION = """Make the weights of a larger PP-MSVSR that computes what a smaller one computes.

Features and blocks are added that change nothing yet; training goes on from there, which is quicker than from random
numbers. The larger one needs the same flow network, and deformable groups that are multiples."""
GROW_EXAMPLES = """
examples:
  tools/grow_weights.py bi start.pdparams
  tools/grow_weights.py small/iter_4000_weight.pdparams start.pdparams --small PPMSVSRSmall --large PPMSVSR
  tools/main.py --config-file configs/ppmsvsr_bundled.yaml --load start.pdparams
"""


def grow_main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 (a bad file), 2 (wrong use) or 130 (interrupted)."""
    return run_command(GROW, _grow_parser, _grow, argv)


def _grow(args: argparse.Namespace) -> int:
    from ppvsr.train.grow import grow_weights  # late: --help is quick

    grow_weights(args.source, args.target, args.small, args.large, seed=args.seed, overwrite=args.overwrite)
    print(f"{args.target}: a {args.large} that computes what {args.small} does with {args.source}")
    return 0


def _grow_parser() -> Parser:
    parser = Parser(
        prog="grow_weights.py",
        description=GROW_DESCRIPTION,
        epilog=GROW_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ppvsr {__version__}")
    parser.add_argument("source", metavar="IN", help="weights of the small network: a file, or a name such as bi")
    parser.add_argument("target", metavar="OUT", type=Path, help=".safetensors, .npz or .pdparams")
    parser.add_argument("--small", default="PPMSVSRSmall", metavar="NAME", help="the network of IN (PPMSVSRSmall)")
    parser.add_argument("--large", default="PPMSVSR", metavar="NAME", help="the network of OUT (PPMSVSR)")
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help="of what is new (0)")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")
    return parser
