"""`ppvsr-enhance` and `applications/video-enhance.py`: films in, larger films out."""

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
from ppvsr.cli.command import explain, fail, run_command
from ppvsr.cli.enhance_flags import make_parser
from ppvsr.cli.progress import Console, Interrupts
from ppvsr.errors import UsageError
from ppvsr.weights.zoo import VARIANTS

if TYPE_CHECKING:
    from ppvsr.assemble.film import Result
    from ppvsr.assemble.jobs import Job, Outcome
    from ppvsr.cli.reporters import Audience, Everybody

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
    from ppvsr.assemble.jobs import exit_code  # late, so that --help and wrong flags are answered at once

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
    from ppvsr.cli.reporters import Events, Everybody, Lines, Log, Terminal

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
    from ppvsr.assemble.film import enhance_video
    from ppvsr.assemble.inputs import find_inputs
    from ppvsr.assemble.jobs import Job, make_jobs, work_through
    from ppvsr.assemble.stages import Cut, choose_stages

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
    from ppvsr.video.scene_list import SceneOptions

    options = {name: getattr(args, name) for name in AS_THEY_ARE}
    options["device"] = "cpu" if args.cpu else args.device
    options["encoding"] = Encoding(codec=args.codec, crf=args.crf, preset=args.preset, pix_fmt=args.pix_fmt)
    threshold = {} if args.scene_threshold is None else {"threshold": float(args.scene_threshold)}
    options["scenes"] = SceneOptions(file=args.scenes, detect=not args.no_scenes, **threshold)
    blend = {} if args.blend is None else {"blend": float(args.blend)}
    options["finish"] = Finish(scale=args.scale, height=args.height, **blend)
    return options if args.segment is None else {**options, "segment": args.segment}
