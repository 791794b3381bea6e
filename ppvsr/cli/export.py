"""`ppvsr-export` and `tools/export_model.py`: a network with its weights as a program of Paddle Inference or ONNX."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ppvsr import __version__
from ppvsr.cli.command import Parser, run_command
from ppvsr.cli.progress import Console
from ppvsr.errors import UsageError
from ppvsr.weights.zoo import VARIANTS

NAME = "ppvsr-export"
EXAMPLES = """
examples:
  tools/export_model.py -c configs/msvsr_reds.yaml --load weights.pdparams -s "1,10,3,180,320"
  tools/export_model.py --variant PPMSVSRSmall --format onnx --inputs_size="1,5,3,-1,-1"
  tools/export_model.py --variant PPMSVSRSmall --format onnx --steps
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 (failed, or not equal to the network), 2 (wrong use) or 130 (interrupted)."""
    return run_command(NAME, _parser, _run, argv, memory="give a smaller --inputs_size; the proof runs the network")


def _run(args: argparse.Namespace) -> int:
    if (args.config_file is None) == (args.variant is None):
        raise UsageError("give one of --config-file and --variant; see --help")
    if args.opt and args.variant:
        raise UsageError("--opt changes a config, and --variant needs none; leave one of them out")
    from ppvsr.assemble.exporting import ExportRequest, export_config, export_variant  # late: --help is quick

    request = ExportRequest(
        size=args.inputs_size,
        steps=args.steps,
        format=args.format,
        folder=args.output_dir,
        name=args.model_name,
        auxiliary=args.auxiliary,
        portable=args.portable,
        overwrite=args.overwrite,
    )
    with Console() as console:
        if args.variant:
            written = [export_variant(args.variant, args.load, request, console.say)]
        else:
            written = export_config(args.config_file, args.opt, args.load, request, console.say)
        for path in written:
            console.say(f"{path}: written, and proved equal to the network")
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="export_model.py",
        description="Export a network, and prove that the exported program computes the same.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ppvsr {__version__}")
    network = parser.add_argument_group("network")
    network.add_argument("-c", "--config-file", "--config", type=Path, metavar="FILE", help="a YAML file, see configs/")
    network.add_argument("--variant", metavar="NAME", help=f"instead: one of {', '.join(VARIANTS)}")
    network.add_argument(
        "--load", "--weights", metavar="FILE|NAME", help="its weights; of a variant also bi, official, ..."
    )
    network.add_argument(
        "-o", "--opt", nargs="+", default=[], action="extend", metavar="KEY=VALUE", help="a.b.0.c=v, over the file"
    )
    what = parser.add_argument_group("what to write")
    what.add_argument(
        "-s", "--inputs_size", metavar="B,T,3,H,W", help='shape of a clip ("1,10,3,180,320"); -1: any, see docs'
    )
    what.add_argument("--steps", action="store_true", help="the steps for one frame each, for streaming, instead")
    what.add_argument("--format", default="paddle", metavar="paddle|onnx", help="(%(default)s)")
    what.add_argument("--auxiliary", action="store_true", help="MSVSR's auxiliary pictures, too, as the first output")
    what.add_argument("--portable", action="store_true", help="ONNX without DeformConv, for runtimes that lack it")
    where = parser.add_argument_group("where")
    where.add_argument("--output_dir", type=Path, default=Path("inference_model"), metavar="DIR", help="(%(default)s)")
    where.add_argument("--model_name", metavar="NAME", help="of the files (that of the config's model, or the variant)")
    where.add_argument("--overwrite", action="store_true", help="replace what is there")
    return parser
