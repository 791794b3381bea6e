"""`ppvsr-bench` and `ppvsr-doctor`: how fast this machine is, and whether ppvsr can work on it."""

from __future__ import annotations

import argparse
import json
import re
from argparse import ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path

from ppvsr import __version__
from ppvsr.cli.common import Console, Parser, natural, positive, run_command
from ppvsr.errors import UsageError
from ppvsr.weights.zoo import VARIANTS, find_variant

# ---- `ppvsr-bench` and `tools/bench.py`: how many frames a second the networks make on this machine.

BENCH = "ppvsr-bench"
BENCH_EXAMPLES = """
examples:
  ppvsr-bench                                             what ships, compiled and not: two minutes on two cores
  ppvsr-bench --variant PPMSVSR Bicubic --size 320x180 --backend auto --json speed.json
  ppvsr-bench --variant BasicVSR --threads 1 2 4 --frames 5

Rows of one run can be compared; on a busy machine, those of two runs cannot.
"""


def bench_main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 (a network cannot run), 2 (wrong use) or 130 (interrupted)."""
    return run_command(BENCH, _bench_parser, _bench, argv, memory="choose a smaller --size")


def _bench(args: argparse.Namespace) -> int:
    variants = [find_variant(name).name for name in args.variant]
    if args.json and not args.json.absolute().parent.is_dir():
        raise UsageError(f"--json {args.json}: there is no such folder")
    if args.json and args.json.exists() and not args.json.is_file():
        raise UsageError(f"--json {args.json}: is no file that could be replaced; give another name")
    from ppvsr.bench import about, bench, heading, line, write_json  # late, so that --help is answered at once

    machine = about()
    with Console() as console:
        console.say(", ".join(f"{key} {value}" for key, value in machine.items() if value is not None))
        console.say(heading())
        rows = bench(
            variants,
            args.size,
            frames=args.frames,
            backends=args.backend,
            threads=args.threads or [machine["threads"]],
            repeat=args.repeat,
            reporter=console,
            hear=lambda row: console.say(line(row)),
        )
    if any(row["weights"] == "random" for row in rows):
        console.say("random: no weights of this network ship with ppvsr; speed does not depend on them")
    if args.json:
        write_json(args.json, machine, rows)
    return 0


def _size(text: str) -> tuple[int, int]:
    """Read 160x90 as width and height."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if not match or not int(match[1]) or not int(match[2]):
        raise ArgumentTypeError(f"{text!r} is not a size; write it like 160x90")
    return int(match[1]), int(match[2])


def _bench_parser() -> Parser:
    parser = Parser(
        prog=BENCH,
        description="Say how many frames a second the networks make on this machine's CPU.",
        epilog=BENCH_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ppvsr {__version__}")
    parser.add_argument(
        "--variant", nargs="+", default=["PPMSVSR"], metavar="NAME", help=f"of {', '.join(VARIANTS)} (PPMSVSR)"
    )
    parser.add_argument("--size", nargs="+", type=_size, default=[(160, 90)], metavar="WxH", help="of a frame (160x90)")
    parser.add_argument("--frames", type=positive, default=10, metavar="N", help="in a run (%(default)s)")
    parser.add_argument(
        "--backend", nargs="+", default=["compiled", "dygraph"], choices=["auto", "compiled", "dygraph"]
    )
    parser.add_argument("--threads", nargs="+", type=positive, metavar="N", help="of the CPU (all that may be used)")
    parser.add_argument("--repeat", type=positive, default=2, metavar="N", help="rounds (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write machine, versions and rows there")
    return parser


# ---- `ppvsr-doctor` and `tools/doctor.py`: whether ppvsr can work on this machine, and what to do where it cannot.

DOCTOR = "ppvsr-doctor"
DOCTOR_EXAMPLES = """
examples:
  ppvsr-doctor                      look at everything, and run a self-test of some five seconds
  ppvsr-doctor --build              compile the operator and the bundled network now, not at first use
  ppvsr-doctor --clean              remove what was compiled and not used for 30 days (--clean 0: all)
  ppvsr-doctor --json > report.json
"""


def doctor_main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 (films cannot be enhanced here), 2 (wrong use) or 130 (interrupted)."""
    return run_command(DOCTOR, _doctor_parser, _doctor, argv, memory="end other programs")


def _doctor(args: argparse.Namespace) -> int:
    from ppvsr.doctor import build, examine, tidy_up  # late, so that --help is answered at once

    quiet = args.json

    def show(line: object) -> None:
        if not quiet:
            print(line, flush=True)

    if args.clean is not None:
        show(tidy_up(args.clean))
    built = tuple(build(show, show)) if args.build else ()
    report = examine(Path(args.output), show, self_test=args.self_test, before=built)
    if args.json:
        print(json.dumps(report.as_json(), indent=1))
    show(report.verdict())
    return 0 if report.works else 1


def _doctor_parser() -> Parser:
    parser = Parser(
        prog=DOCTOR,
        description="Say whether ppvsr can work on this machine, and what to do where it cannot.",
        epilog=DOCTOR_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ppvsr {__version__}")
    parser.add_argument("--output", default=".", metavar="PATH", help="where films would be written (%(default)s)")
    parser.add_argument("--build", action="store_true", help="compile what is compiled at first use")
    parser.add_argument(
        "--clean",
        type=natural,
        nargs="?",
        const=30,
        metavar="DAYS",
        help="remove what was compiled and not used for so many days (30)",
    )
    parser.add_argument("--no-self-test", dest="self_test", action="store_false", help="only look")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    return parser
