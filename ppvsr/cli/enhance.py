"""The flags of `ppvsr-enhance`, in groups."""

from __future__ import annotations

import argparse
from pathlib import Path

from ppvsr import __version__
from ppvsr.cli.command import Parser
from ppvsr.cli.values import decimal, excerpt, memory, moment, natural, positive, rate
from ppvsr.weights.zoo import ALIASES, VARIANTS

DESCRIPTION = """\
Make films four times larger. Sound, subtitles, timing and tags are kept.
What was interrupted goes on with the same command."""
EPILOG = """\
input, one or more of:
  clip.mp4, frames/, frames/%08d.png   one film each
  shows/                               all films in there, or all folders of images; the tree is mirrored
  'clips/**/*.mp4'                     a pattern that the shell leaves alone
  @films.txt, films.txt                a list: a name of any of these kinds in each line, # begins a comment
Of several films, those whose result is there already are skipped.

examples:
  video-enhance.py --input clip.mp4 --process_order PPMSVSR --output output_dir
  video-enhance.py --input clip.mkv --process_order Bicubic --output big.mkv --start 1:30 --frames 100 --crf 20
  video-enhance.py --input frames/%08d.png --process_order BasicVSR --BasicVSR_weight mine.pdparams --container png
  video-enhance.py --input shows --process_order PPMSVSR --output large --height 1080 --log large.log
  video-enhance.py --input clip.mp4 --process_order PPMSVSR --preview 00:10+3
"""


def make_parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        prog="video-enhance.py",
        usage="%(prog)s --input NAME [NAME ...] --process_order VARIANT [VARIANT ...] [--output PATH] [flags]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ppvsr {__version__}")
    parser.add_argument(
        "--input",
        required=True,
        nargs="+",
        action="extend",
        metavar="NAME",
        help="films, folders, patterns and lists, see below",
    )
    parser.add_argument("--output", default="output", metavar="PATH", help="a film's name, or a folder (%(default)s)")
    parser.add_argument(
        "--process_order", required=True, nargs="+", metavar="VARIANT", help=f"one or more of {', '.join(VARIANTS)}"
    )
    for add in (_add_work, _add_network, _add_scenes, _add_size, _add_film, _add_reports):
        add(parser)
    return parser


def _add_work(parser: Parser) -> None:
    group = parser.add_argument_group("work")
    group.add_argument("--dry-run", action="store_true", help="say what would be done, and stop")
    group.add_argument(
        "--preview",
        type=excerpt,
        metavar="MOMENT",
        help="only a part, beside bicubic: 00:10+3 is 3 seconds from second 10 on",
    )
    group.add_argument(
        "--overwrite", action="store_true", help="begin anew what was begun, and make again what is finished"
    )
    group.add_argument("--segment", type=positive, metavar="N", help="frames after which the work so far is safe (64)")


def _add_network(parser: Parser) -> None:
    group = parser.add_argument_group("network")
    group.add_argument(
        "--weights",
        metavar="NAME|PATH",
        help="bi, official, ... or a file; PaddleGAN's --<VARIANT>_weight PATH works, too",
    )
    for name in (*VARIANTS, *ALIASES):
        if (variant := VARIANTS[ALIASES.get(name, name)]).arch:
            group.add_argument(
                f"--{name}_weight", dest=f"{variant.name}_weight", metavar="PATH", help=argparse.SUPPRESS
            )
    group.add_argument("--num_frames", type=positive, metavar="N", help="frames the network sees at once")
    group.add_argument("--overlap", type=natural, metavar="N", help="frames of context on either side of a window")
    group.add_argument(
        "--no-streaming", dest="streaming", action="store_false", help="every window for itself, nothing is carried on"
    )
    group.add_argument("--memory", type=memory, metavar="SIZE", help="what may be used, e.g. 6G (most of what is free)")
    group.add_argument("--device", metavar="NAME", help="cpu, gpu, gpu:1, ... (a GPU where Paddle finds one)")
    group.add_argument(
        "--backend",
        default="auto",
        choices=["auto", "compiled", "dygraph"],
        help="compiled is several times as fast on a CPU and prepared at first use (auto: where it works)",
    )
    group.add_argument("--threads", type=positive, metavar="N", help="threads of the CPU (as many as there are)")
    group.add_argument("--cpu", action="store_true", help="the same as --device cpu")


def _add_scenes(parser: Parser) -> None:
    group = parser.add_argument_group("scenes, each of which is enlarged for itself")
    group.add_argument("--scenes", type=Path, metavar="FILE.csv", help="where they begin, instead of finding them")
    group.add_argument("--no-scenes", action="store_true", help="take the film for a single one")
    group.add_argument("--scene-threshold", type=decimal, metavar="X", help="smaller finds more (15)")


def _add_size(parser: Parser) -> None:
    group = parser.add_argument_group("size and strength")
    group.add_argument("--scale", type=decimal, metavar="X", help="times the input, e.g. 2 or 1.5 (the network's)")
    group.add_argument("--height", type=positive, metavar="N", help="lines of the result, e.g. 1080")
    group.add_argument("--blend", type=decimal, metavar="X", help="the network's share, the rest is bicubic (1)")


def _add_film(parser: Parser) -> None:
    group = parser.add_argument_group("film")
    group.add_argument("--container", default="auto", choices=["auto", "mp4", "mkv", "mov", "webm", "png"])
    group.add_argument("--codec", help="video encoder, in FFmpeg's words (libx264; libvpx-vp9 for webm)")
    group.add_argument("--crf", type=natural, default=16, help="quality, smaller is better (%(default)s)")
    group.add_argument("--preset", help="the encoder's preset: veryfast, slow, ...")
    group.add_argument("--pix-fmt", "--pix_fmt", help="pixel format (yuv420p, or yuv420p10le for more than 8 bits)")
    group.add_argument(
        "--rate", type=rate, metavar="FPS", help="frames per second of a folder of images, e.g. 24000/1001"
    )
    group.add_argument("--start", type=moment, metavar="TIME", help="begin here: seconds, or [hours:]minutes:seconds")
    group.add_argument("--frames", type=positive, metavar="N", help="stop after so many frames")


def _add_reports(parser: Parser) -> None:
    group = parser.add_argument_group("reports")
    group.add_argument("--json", action="store_true", help="one JSON object a line on stdout, for programs")
    group.add_argument("--quiet", action="store_true", help="nothing but errors (with --json: no lines, no progress)")
    group.add_argument("--log", type=Path, metavar="FILE", help="append all lines, with the time, to a file")
