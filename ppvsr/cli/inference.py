"""`ppvsr-inference` and `tools/inference.py`: an exported network over the test set of a config, or over a film."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ppvsr import __version__
from ppvsr.cli.command import Parser, fail, run_command
from ppvsr.cli.progress import Console
from ppvsr.cli.values import natural, positive
from ppvsr.errors import UsageError

NAME = "ppvsr-inference"
EXAMPLES = """
examples:
  tools/inference.py --model_path export/generator -c configs/msvsr_reds.yaml
  tools/inference.py --model_path export/generator.onnx --video clip.mkv --output_path large.mkv
"""
IGNORED = ("--model_type", "--seed")  # of PaddleGAN's tool: the file says what it is, and nothing is random


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 (failed, or the source was damaged), 2 (wrong use) or 130 (interrupted)."""
    return run_command(NAME, _parser, _run, argv, memory="shorten the windows with --num_frames")


def _run(args: argparse.Namespace) -> int:
    if (args.config_file is None) == (args.video is None):
        raise UsageError("give either -c CONFIG, whose dataset.test is measured, or --video FILM; see --help")
    if args.opt and args.video:
        raise UsageError("--opt changes a config, and --video needs none; leave one of them out")
    if args.frames and not args.video:
        raise UsageError("--frames is for --video; `num_frames` of dataset.test says how much of a clip is measured")
    from ppvsr.assemble.exported import open_exported  # late, so that --help and wrong flags are answered at once
    from ppvsr.assemble.inference import infer_clips, infer_film

    cut = {"window": args.num_frames, "overlap": args.overlap}
    with Console() as console:
        model = open_exported(args.model_path, threads=args.threads, say=console.say)
        if args.config_file:
            infer_clips(model, args.config_file, args.opt, args.output_path, console, **cut)
            return 0
        damage = infer_film(model, args.video, args.output_path, console, frames=args.frames, **cut)
    return fail(NAME, f"{args.video}: the source is damaged: {damage}", 1) if damage else 0


def _parser() -> Parser:
    parser = Parser(
        prog="inference.py",
        description="Run a network that tools/export_model.py exported, and say how fast it is.",
        epilog=EXAMPLES,
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
