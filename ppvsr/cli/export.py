"""`ppvsr-export` and `ppvsr-inference`: networks as programs of Paddle Inference or ONNX, and those programs run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ppvsr import __version__
from ppvsr.cli.common import Console, Parser, fail, natural, positive, run_command
from ppvsr.errors import UsageError
from ppvsr.weights.zoo import VARIANTS

# ---- `ppvsr-export` and `tools/export_model.py`: a network with its weights as a program of Paddle Inference or ONNX.

EXPORT = "ppvsr-export"
EXPORT_EXAMPLES = """
examples:
  tools/export_model.py -c configs/msvsr_reds.yaml --load weights.pdparams -s "1,10,3,180,320"
  tools/export_model.py --variant PPMSVSRSmall --format onnx --inputs_size="1,5,3,-1,-1"
  tools/export_model.py --variant PPMSVSRSmall --format onnx --steps
"""


def export_main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 (failed, or not equal to the network), 2 (wrong use) or 130 (interrupted)."""
    return run_command(
        EXPORT, _export_parser, _export, argv, memory="give a smaller --inputs_size; the proof runs the network"
    )


def _export(args: argparse.Namespace) -> int:
    if (args.config_file is None) == (args.variant is None):
        raise UsageError("give one of --config-file and --variant; see --help")
    if args.opt and args.variant:
        raise UsageError("--opt changes a config, and --variant needs none; leave one of them out")
    from ppvsr.export.export import ExportRequest, export_config, export_variant  # late: --help is quick

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


def _export_parser() -> Parser:
    parser = Parser(
        prog="export_model.py",
        description="Export a network, and prove that the exported program computes the same.",
        epilog=EXPORT_EXAMPLES,
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


# ---- `ppvsr-inference` and `tools/inference.py`: an exported network over the test set of a config, or over a film.

INFERENCE = "ppvsr-inference"
INFERENCE_EXAMPLES = """
examples:
  tools/inference.py --model_path export/generator -c configs/msvsr_reds.yaml
  tools/inference.py --model_path export/generator.onnx --video clip.mkv --output_path large.mkv
"""
IGNORED = ("--model_type", "--seed")  # of PaddleGAN's tool: the file says what it is, and nothing is random


def inference_main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 (failed, or the source was damaged), 2 (wrong use) or 130 (interrupted)."""
    return run_command(INFERENCE, _inference_parser, _infer, argv, memory="shorten the windows with --num_frames")


def _infer(args: argparse.Namespace) -> int:
    if (args.config_file is None) == (args.video is None):
        raise UsageError("give either -c CONFIG, whose dataset.test is measured, or --video FILM; see --help")
    if args.opt and args.video:
        raise UsageError("--opt changes a config, and --video needs none; leave one of them out")
    if args.frames and not args.video:
        raise UsageError("--frames is for --video; `num_frames` of dataset.test says how much of a clip is measured")
    from ppvsr.export.exported import open_exported  # late, so that --help and wrong flags are answered at once
    from ppvsr.export.run import infer_clips, infer_film

    cut = {"window": args.num_frames, "overlap": args.overlap}
    with Console() as console:
        model = open_exported(args.model_path, threads=args.threads, say=console.say)
        if args.config_file:
            infer_clips(model, args.config_file, args.opt, args.output_path, console, **cut)
            return 0
        damage = infer_film(model, args.video, args.output_path, console, frames=args.frames, **cut)
    return fail(INFERENCE, f"{args.video}: the source is damaged: {damage}", 1) if damage else 0


def _inference_parser() -> Parser:
    parser = Parser(
        prog="inference.py",
        description="Run a network that tools/export_model.py exported, and say how fast it is.",
        epilog=INFERENCE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ppvsr {__version__}")
    parser.add_argument("--model_path", required=True, metavar="PREFIX", help="NAME of NAME.json, or NAME.onnx")
    what = parser.add_argument_group("what to run it on")
    what.add_argument("-c", "--config-file", metavar="FILE", help="a YAML file: its dataset.test and validate.metrics")
    what.add_argument(
        "-o", "--opt", nargs="+", default=[], action="extend", metavar="KEY=VALUE", help="a.b.0.c=v, over the file"
    )
    what.add_argument("--video", metavar="FILM", help="a film, a folder of images, or frames/%%08d.png")
    what.add_argument("--frames", type=positive, metavar="N", help="of the film: stop after so many")
    parser.add_argument(
        "--output_path",
        type=Path,
        default=Path("infer_output"),
        metavar="PATH",
        help="a folder, or the result's name (%(default)s)",
    )
    run = parser.add_argument_group("how to run it")
    run.add_argument("--device", default="cpu", choices=["cpu"], help="exported networks run on the CPU here")
    run.add_argument("--threads", type=positive, metavar="N", help="threads of the CPU (as many as there are)")
    run.add_argument("--num_frames", type=positive, metavar="N", help="frames at once, at most those of the network")
    run.add_argument("--overlap", type=natural, metavar="N", help="frames of context on either side of a window")
    for flag in IGNORED:
        parser.add_argument(flag, help=argparse.SUPPRESS)
    return parser
