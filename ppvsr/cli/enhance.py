"""`ppvsr-enhance` and `applications/video-enhance.py`: videos in, larger videos out."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppvsr import __version__
from ppvsr.cli.common import (
    Console,
    Interrupts,
    Parser,
    decimal,
    excerpt,
    explain,
    fail,
    memory,
    moment,
    natural,
    positive,
    rate,
    run_command,
)
from ppvsr.errors import UsageError
from ppvsr.weights.zoo import ALIASES, VARIANTS

if TYPE_CHECKING:
    from ppvsr.cli.report import Audience, Everybody
    from ppvsr.enhance.batch import Outcome
    from ppvsr.enhance.video import Result


# ---- The flags of `ppvsr-enhance`, in groups.

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


# ---- `ppvsr-enhance` and `applications/video-enhance.py`: films in, larger films out.

NAME = "ppvsr-enhance"
AS_THEY_ARE = (  # flags that are keywords of `enhance_video`
    "num_frames", "overlap", "memory", "streaming", "backend", "threads", "container", "rate", "start", "frames",
    "overwrite", "preview", "dry_run",
)  # fmt: skip
GOES_ON = "the same command goes on where it was"
BEGINS_ANEW = "the same command begins anew (without --overwrite, what was finished is kept)"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 (failed, or a source was damaged), 2 (wrong use) or 130 (interrupted)."""
    line = shlex.join(sys.argv[1:] if argv is None else argv)
    return run_command(NAME, make_parser, partial(_run, line), argv, interrupted=GOES_ON)


def _run(line: str, args: argparse.Namespace) -> int:
    from ppvsr.enhance.batch import exit_code  # late, so that --help and wrong flags are answered at once

    with ExitStack() as stack:
        audience = _audience(args, line, stack)
        try:
            return exit_code(_work(args, audience))
        except (Exception, KeyboardInterrupt) as error:
            message, code = _explain(args)(error)
            audience.failed(message, code)
            return code


def _audience(args: argparse.Namespace, line: str, stack: ExitStack) -> Everybody:
    """Return who is to hear everything; what has to be closed goes to the stack. Raises UsageError for the log."""
    from ppvsr.cli.report import Events, Everybody, Lines, Log, Terminal

    def complain(message: str) -> None:
        fail(NAME, message, 0)

    audiences: list[Audience] = []
    if args.log is not None:
        log = stack.enter_context(Log(args.log))
        log.say(f"ppvsr {__version__}: {NAME} {line}")
        audiences.append(log)
    if args.json:
        audiences.append(Events(sys.stdout, quiet=args.quiet))
        stack.enter_context(redirect_stdout(sys.stderr))  # whatever others print, it is no event
    if args.json or args.quiet:
        audiences.append(Lines(lambda line: None, complain))
    else:
        audiences.append(Terminal(stack.enter_context(Console()), complain))
    return Everybody(audiences, stack.enter_context(Interrupts()).check)


def _work(args: argparse.Namespace, audience: Everybody) -> list[Outcome]:
    """Make all films; return what became of each. Raises UsageError for what is wrong before the first begins."""
    from ppvsr.enhance.batch import Job, find_inputs, make_jobs, work_through
    from ppvsr.enhance.network import Cut, choose_stages
    from ppvsr.enhance.video import enhance_video

    weights, options = _weights(args), _options(args)
    output = Path(args.output)
    inputs = find_inputs(args.input, output)
    if inputs.alone:
        jobs = [Job(inputs.films[0].source, output)]
    else:
        stages = choose_stages(args.process_order, weights, Cut(args.num_frames, args.overlap, args.memory))
        variants = [stage.variant.name for stage in stages]
        again = args.overwrite or args.preview is not None
        jobs = make_jobs(inputs.films, output, variants, args.container, overwrite=again)
    for note in inputs.notes:
        audience.say(note)

    def enhance(job: Job) -> Result:
        if job.target.suffix and not inputs.alone and not args.dry_run:
            job.target.mkdir(parents=True, exist_ok=True)  # or a folder called season.mp4 would be taken for a film
        return enhance_video(job.source, job.target, args.process_order, weights, reporter=audience, **options)

    return work_through(jobs, enhance, _explain(args), audience)


def _explain(args: argparse.Namespace) -> Callable[[BaseException], tuple[str, int]]:
    anew = args.overwrite or args.preview is not None
    return partial(explain, interrupted=BEGINS_ANEW if anew else GOES_ON)


def _weights(args: argparse.Namespace) -> Mapping[str, str] | str | None:
    given = {name: getattr(args, f"{name}_weight") for name in VARIANTS if getattr(args, f"{name}_weight", None)}
    if given and args.weights:
        raise UsageError("--weights and --<Variant>_weight exclude each other; give one of them")
    return given or args.weights


def _options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the keywords of `enhance_video` that are the same for all films. Raises UsageError."""
    from ppvsr.enhance.finish import Finish
    from ppvsr.video.encoder import Encoding
    from ppvsr.video.scenes import SceneOptions

    options = {name: getattr(args, name) for name in AS_THEY_ARE}
    options["device"] = "cpu" if args.cpu else args.device
    options["encoding"] = Encoding(codec=args.codec, crf=args.crf, preset=args.preset, pix_fmt=args.pix_fmt)
    threshold = {} if args.scene_threshold is None else {"threshold": float(args.scene_threshold)}
    options["scenes"] = SceneOptions(file=args.scenes, detect=not args.no_scenes, **threshold)
    blend = {} if args.blend is None else {"blend": float(args.blend)}
    options["finish"] = Finish(scale=args.scale, height=args.height, **blend)
    return options if args.segment is None else {**options, "segment": args.segment}
