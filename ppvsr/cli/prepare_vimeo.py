"""`tools/vimeo_preprocess.py`: annotation files and LQ pictures for Vimeo-90K."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ppvsr.cli.command import Parser, fail, run_command
from ppvsr.cli.progress import Console
from ppvsr.cli.values import positive
from ppvsr.errors import UsageError

NAME = "vimeo_preprocess"
DESCRIPTION = """Prepare Vimeo-90K (septuplets) for training.

Writes meta_info_Vimeo90K_train_GT.txt and meta_info_Vimeo90K_test_GT.txt into the folders of the given lists, and with
--generate-lq the small pictures: MATLAB's bicubic, rounded once, as the published BIx4 sets are. Pictures that are
there already are not made again, so that the same command goes on after an interruption. A picture whose sides cannot
be divided by --scale fails."""
EXAMPLE = """
example:
  vimeo_preprocess.py --train-annotation data/vimeo90k/vimeo_septuplet/sep_trainlist.txt \\
    --test-annotation data/vimeo90k/vimeo_septuplet/sep_testlist.txt \\
    --images-root data/vimeo90k/vimeo_septuplet/sequences \\
    --output-dir data/vimeo90k/vimeo_septuplet/BIx4 --generate-lq
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 (a picture failed) or 2 (wrong use)."""
    return run_command(
        NAME,
        _parser,
        _run,
        argv,
        interrupted="what was finished stays, the same command goes on",
        memory="give fewer --workers",
    )


def _run(args: argparse.Namespace) -> int:
    from ppvsr.assemble.downloads import prepare_vimeo  # late, so that --help and wrong flags are answered at once

    lists = {"train": args.train_annotation, "test": args.test_annotation}
    lists = {kind: path for kind, path in lists.items() if path}
    if not lists:
        raise UsageError("no list of clips; give --train-annotation, --test-annotation or both")
    if args.generate_lq and args.output_dir is None:
        raise UsageError("--generate-lq needs --output-dir, the folder for the small pictures")
    output = args.output_dir if args.generate_lq else None
    with Console() as console:
        failed = prepare_vimeo(
            lists, args.images_root, output, scale=args.scale, workers=args.workers, reporter=console
        )
    return fail(NAME, f"{failed} pictures failed", 1) if failed else 0


def _parser() -> Parser:
    parser = Parser(
        prog="vimeo_preprocess.py",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--train-annotation", type=Path, metavar="FILE", help="sep_trainlist.txt")
    parser.add_argument("--test-annotation", type=Path, metavar="FILE", help="sep_testlist.txt; one of them is needed")
    parser.add_argument("--images-root", type=Path, metavar="DIR", required=True, help="GT: the folder `sequences`")
    parser.add_argument("--output-dir", type=Path, metavar="DIR", help="LQ: the folder for the small pictures")
    parser.add_argument("--generate-lq", action="store_true", help="make the small pictures, not only the lists")
    parser.add_argument("--scale", type=positive, default=4, metavar="N", help="so many times smaller (%(default)s)")
    parser.add_argument("--workers", type=positive, metavar="N", help="processes (one per core)")
    return parser
