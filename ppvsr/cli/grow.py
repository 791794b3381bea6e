"""`tools/grow_weights.py`: a larger PP-MSVSR that begins where a smaller one ended."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ppvsr import __version__
from ppvsr.cli.command import Parser, run_command
from ppvsr.cli.values import natural

NAME = "grow_weights"
DESCRIPTION = """Make the weights of a larger PP-MSVSR that computes what a smaller one computes.

Features and blocks are added that change nothing yet; training goes on from there, which is quicker than from random
numbers. The larger one needs the same flow network, and deformable groups that are multiples."""
EXAMPLES = """
examples:
  tools/grow_weights.py bi start.pdparams
  tools/grow_weights.py small/iter_4000_weight.pdparams start.pdparams --small PPMSVSRSmall --large PPMSVSR
  tools/main.py --config-file configs/ppmsvsr_bundled.yaml --load start.pdparams
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 (a bad file), 2 (wrong use) or 130 (interrupted)."""
    return run_command(NAME, _parser, _run, argv)


def _run(args: argparse.Namespace) -> int:
    from ppvsr.assemble.growing import grow_weights  # late: --help is quick

    grow_weights(args.source, args.target, args.small, args.large, seed=args.seed, overwrite=args.overwrite)
    print(f"{args.target}: a {args.large} that computes what {args.small} does with {args.source}")
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="grow_weights.py",
        description=DESCRIPTION,
        epilog=EXAMPLES,
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
