"""`ppvsr-evaluate` and `tools/evaluate.py`: PSNR, SSIM and flicker of results, variants and films, without a config."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ppvsr import __version__
from ppvsr.cli.common import Console, Parser, memory, natural, positive, run_command
from ppvsr.errors import UsageError
from ppvsr.weights.zoo import VARIANTS, find_variant

NAME = "ppvsr-evaluate"
EXAMPLES = """
what to measure, one of:
  --sr DIR --gt DIR                 results that exist: pictures, folders of clip folders, or films
  --variant NAME --lq DIR --gt DIR  run a variant over low-resolution clips first
  --variant NAME --video FILM ...   shrink films four times by bicubic, enlarge them, compare with the originals

examples:
  tools/evaluate.py --sr output_dir/Vid4 --gt data/Vid4/GT --y
  tools/evaluate.py --variant PPMSVSR --lq data/Vid4/BIx4 --gt data/Vid4/GT --y --flicker --output scores
  tools/evaluate.py --variant PPMSVSR --video demo/bee_640x360_truth.mp4 --y --frames 12
"""
WHOLE = "all"
RUN_ONLY = ("weights", "window", "overlap", "memory", "device", "backend")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 (failed, or data that cannot be measured), 2 (wrong use) or 130 (interrupted)."""
    return run_command(
        NAME,
        _parser,
        _run,
        argv,
        interrupted="no results were written",
        memory="allow less with --memory, or shorten the windows with --window",
    )


def _run(args: argparse.Namespace) -> int:
    mode = _mode(args)
    if args.save_img and not args.output:
        raise UsageError("--save-img needs --output, the folder to save the pictures in")
    if args.variant:
        find_variant(args.variant)
    from ppvsr.enhance.network import Engine
    from ppvsr.evaluate.score import Measurement, Run, score_films, score_results, score_variant  # late: see above

    what = Measurement(args.crop_border, args.y, args.flicker, args.frames, args.output, args.save_img)
    with Console() as console:
        if mode == "sr":
            score_results(args.sr, args.gt, what, console)
            return 0
        whole = args.window == WHOLE
        window = None if whole else args.window
        run = Run(
            args.variant,
            args.weights,
            window,
            args.overlap,
            whole,
            args.memory,
            args.device,
            Engine(args.backend or "dygraph"),
        )
        if mode == "video":
            score_films(run, args.video, what, console)
        else:
            score_variant(run, args.lq, args.gt, what, console)
    return 0


def _mode(args: argparse.Namespace) -> str:
    """Return which of --sr, --lq and --video is asked for. Raises UsageError for what does not go together."""
    given = [name for name in ("sr", "lq", "video") if getattr(args, name)]
    if len(given) != 1:
        raise UsageError("give one of --sr, --lq and --video; see --help")
    (mode,) = given
    needed = {"sr": ("gt",), "lq": ("gt", "variant"), "video": ("variant",)}[mode]
    refused = {"sr": ("variant", *RUN_ONLY), "lq": (), "video": ("gt",)}[mode]
    for name in needed:
        if getattr(args, name) is None:
            raise UsageError(f"--{mode} needs --{name}; see --help")
    for name in refused:
        if getattr(args, name) is not None:
            raise UsageError(f"--{mode} and --{name} exclude each other; see --help")
    if args.window == WHOLE and args.overlap is not None:
        raise UsageError(f"--window {WHOLE} has no neighbours; leave --overlap out")
    return mode


def _window(text: str) -> int | str:
    return WHOLE if text == WHOLE else positive(text)


def _parser() -> Parser:
    parser = Parser(
        prog="evaluate.py",
        description="Measure enlarged clips: PSNR, SSIM, flicker, time per frame.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ppvsr {__version__}")
    clips = parser.add_argument_group("clips (a film, pictures, or a folder of folders of pictures)")
    clips.add_argument("--sr", type=Path, metavar="PATH", help="results")
    clips.add_argument("--lq", type=Path, metavar="PATH", help="low resolution")
    clips.add_argument("--gt", type=Path, metavar="PATH", help="the truth")
    clips.add_argument("--video", type=Path, nargs="+", action="extend", metavar="FILM", help="originals to be shrunk")
    clips.add_argument("--frames", type=positive, metavar="N", help="only the first N of each clip")
    network = parser.add_argument_group("network")
    network.add_argument("--variant", metavar="NAME", help=f"one of {', '.join(VARIANTS)}")
    network.add_argument("--weights", metavar="NAME|PATH", help="bi, official, ... or a file")
    network.add_argument(
        "--window", type=_window, metavar="N|all", help="frames at once (the variant's own); all: whole clips"
    )
    network.add_argument("--overlap", type=natural, metavar="N", help="frames of context on either side of a window")
    network.add_argument(
        "--memory", type=memory, metavar="SIZE", help="what may be used, e.g. 6G (most of what is free)"
    )
    network.add_argument("--device", metavar="NAME", help="cpu, gpu, gpu:1, ... (a GPU where Paddle finds one)")
    network.add_argument(
        "--backend",
        choices=["auto", "compiled", "dygraph"],
        help="what computes (dygraph, Paddle's own operators); auto is faster and within 2e-4 of it",
    )
    measure = parser.add_argument_group("measurement")
    measure.add_argument("--crop-border", type=natural, default=0, metavar="N", help="pixels to cut at each edge (0)")
    measure.add_argument("--y", "--test_y_channel", action="store_true", help="on BT.601 luma instead of RGB")
    measure.add_argument("--flicker", action="store_true", help="measure the warping error, too")
    measure.add_argument("--output", type=Path, metavar="DIR", help="write results.json and results.csv there")
    measure.add_argument("--save-img", action="store_true", help="and the measured pictures, in DIR/pictures")
    return parser
