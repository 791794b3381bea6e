"""`ppvsr-bench` and `tools/bench.py`: how many frames a second the networks make on this machine."""

from __future__ import annotations

import argparse
import re
from argparse import ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path

from ppvsr import __version__
from ppvsr.cli.command import Parser, run_command
from ppvsr.cli.progress import Console
from ppvsr.cli.values import positive
from ppvsr.errors import UsageError
from ppvsr.weights.zoo import VARIANTS, find_variant

NAME = "ppvsr-bench"
EXAMPLES = """
examples:
  ppvsr-bench                                             what ships, compiled and not: two minutes on two cores
  ppvsr-bench --variant PPMSVSR Bicubic --size 320x180 --backend auto --json speed.json
  ppvsr-bench --variant BasicVSR --threads 1 2 4 --frames 5

Rows of one run can be compared; on a busy machine, those of two runs cannot.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 (a network cannot run), 2 (wrong use) or 130 (interrupted)."""
    return run_command(NAME, _parser, _run, argv, memory="choose a smaller --size")


def _run(args: argparse.Namespace) -> int:
    variants = [find_variant(name).name for name in args.variant]
    if args.json and not args.json.absolute().parent.is_dir():
        raise UsageError(f"--json {args.json}: there is no such folder")
    if args.json and args.json.exists() and not args.json.is_file():
        raise UsageError(f"--json {args.json}: is no file that could be replaced; give another name")
    from ppvsr.assemble.bench import about, bench, heading, line, write_json  # late, so that --help is answered at once

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


def _parser() -> Parser:
    parser = Parser(
        prog=NAME,
        description="Say how many frames a second the networks make on this machine's CPU.",
        epilog=EXAMPLES,
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
