"""`ppvsr-enhance` and `applications/video-enhance.py`: a film in, a larger film out."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ppvsr import __version__
from ppvsr.cli.command import Parser, fail, run_command
from ppvsr.cli.progress import Console
from ppvsr.cli.values import memory, moment, natural, positive, rate
from ppvsr.errors import UsageError
from ppvsr.weights.zoo import ALIASES, VARIANTS

NAME = "ppvsr-enhance"
EXAMPLES = """
examples:
  video-enhance.py --input clip.mp4 --process_order PPMSVSR --output output_dir
  video-enhance.py --input clip.mkv --process_order Bicubic --output big.mkv --start 1:30 --frames 100 --crf 20
  video-enhance.py --input frames/%08d.png --process_order BasicVSR --BasicVSR_weight mine.pdparams --container png
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 (failed, or the source was damaged) or 2 (wrong use)."""
    return run_command(NAME, _parser, _run, argv)


def _run(args: argparse.Namespace) -> int:
    from ppvsr.assemble.film import enhance_video  # late, so that --help and wrong flags are answered at once
    from ppvsr.video.encoder import Encoding

    given = {name: getattr(args, f"{name}_weight") for name in VARIANTS if getattr(args, f"{name}_weight", None)}
    if given and args.weights:
        raise UsageError("--weights and --<Variant>_weight exclude each other; give one of them")
    with Console() as console:
        result = enhance_video(
            args.input,
            args.output,
            args.process_order,
            given or args.weights,
            num_frames=args.num_frames,
            overlap=args.overlap,
            memory=args.memory,
            device="cpu" if args.cpu else args.device,
            backend=args.backend,
            threads=args.threads,
            container=args.container,
            encoding=Encoding(codec=args.codec, crf=args.crf, preset=args.preset, pix_fmt=args.pix_fmt),
            rate=args.rate,
            start=args.start,
            frames=args.frames,
            dry_run=args.dry_run,
            reporter=console,
        )
    if result.damage:
        return fail(NAME, f"{args.input}: the source is damaged: {result.damage}", 1)
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="video-enhance.py",
        description="Make a film four times larger. Sound, subtitles, timing and tags are kept.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ppvsr {__version__}")
    parser.add_argument(
        "--input", required=True, metavar="FILM", help="a film, a folder of images, or frames/%%08d.png"
    )
    parser.add_argument("--output", default="output", metavar="PATH", help="a film's name, or a folder (%(default)s)")
    parser.add_argument(
        "--process_order", required=True, nargs="+", metavar="VARIANT", help=f"one or more of {', '.join(VARIANTS)}"
    )
    _add_network_options(parser)
    _add_film_options(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and stop")
    return parser


def _add_network_options(parser: Parser) -> None:
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


def _add_film_options(parser: Parser) -> None:
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
