"""`ppvsr-doctor` and `tools/doctor.py`: whether ppvsr can work on this machine, and what to do where it cannot."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from ppvsr import __version__
from ppvsr.cli.command import Parser, run_command
from ppvsr.cli.values import natural

NAME = "ppvsr-doctor"
EXAMPLES = """
examples:
  ppvsr-doctor                      look at everything, and run a self-test of some five seconds
  ppvsr-doctor --build              compile the operator and the bundled network now, not at first use
  ppvsr-doctor --clean              remove what was compiled and not used for 30 days (--clean 0: all)
  ppvsr-doctor --json > report.json
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 (films cannot be enhanced here), 2 (wrong use) or 130 (interrupted)."""
    return run_command(NAME, _parser, _run, argv, memory="end other programs")


def _run(args: argparse.Namespace) -> int:
    from ppvsr.assemble.doctor import build, examine, tidy_up  # late, so that --help is answered at once

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


def _parser() -> Parser:
    parser = Parser(
        prog=NAME,
        description="Say whether ppvsr can work on this machine, and what to do where it cannot.",
        epilog=EXAMPLES,
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
