"""`tools/prepare_reds.py`: REDS as downloaded into the places that the configs name."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ppvsr.cli.command import Parser, fail, run_command
from ppvsr.cli.progress import Console
from ppvsr.cli.values import positive

NAME = "prepare_reds"
DESCRIPTION = """Prepare REDS for training and evaluation.

INPUT holds train_sharp, val_sharp, train_sharp_bicubic, val_sharp_bicubic, train_blur, ... as they were unpacked, side
by side or in `train` and `val`. OUTPUT gets train_sharp/X4 and train_sharp_bicubic/X4 with clips 000 to 269 (those of
the validation archive are 240 to 269), REDS4_test_sharp/X4 and REDS4_test_sharp_bicubic/X4 with 000, 011, 015 and 020,
and meta_info_REDS_GT.txt. INPUT and OUTPUT may be the same folder. Nothing in INPUT is changed or moved."""
EXAMPLE = """
example:
  prepare_reds.py --input downloads/REDS --output data/REDS
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 (a picture failed or a clip is short) or 2 (wrong use)."""
    return run_command(
        NAME,
        _parser,
        _run,
        argv,
        interrupted="what was finished stays, the same command goes on",
        memory="give fewer --workers",
    )


def _run(args: argparse.Namespace) -> int:
    from ppvsr.assemble.downloads import prepare_reds  # late, so that --help and wrong flags are answered at once

    with Console() as console:
        bad = prepare_reds(
            args.input,
            args.output,
            link=args.link,
            generate_lq=args.generate_lq,
            workers=args.workers,
            dry_run=args.dry_run,
            reporter=console,
        )
    return fail(NAME, f"{bad} clips or pictures are not as they should be, see above", 1) if bad else 0


def _parser() -> Parser:
    parser = Parser(
        prog="prepare_reds.py",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--input", type=Path, required=True, metavar="DIR", help="where the archives were unpacked")
    parser.add_argument("--output", type=Path, default=Path("data/REDS"), metavar="DIR", help="(%(default)s)")
    parser.add_argument(
        "--link",
        choices=["hard", "symbolic", "none"],
        default="hard",
        help="how pictures get there: hard links take no room and outlive the download, symbolic ones also reach "
        "another disk, none makes copies (%(default)s)",
    )
    parser.add_argument("--generate-lq", action="store_true", help="make the bicubic pictures that are missing")
    parser.add_argument("--workers", type=positive, metavar="N", help="processes for --generate-lq (one per core)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and stop")
    return parser
