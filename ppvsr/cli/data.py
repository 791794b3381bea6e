"""`tools/prepare_reds.py` and `tools/vimeo_preprocess.py`: data sets as downloaded into what the configs name."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ppvsr.cli.common import Console, Parser, fail, positive, run_command
from ppvsr.errors import UsageError

# ---- `tools/prepare_reds.py`: REDS as downloaded into the places that the configs name.

REDS = "prepare_reds"
REDS_DESCRIPTION = """Prepare REDS for training and evaluation.

INPUT holds train_sharp, val_sharp, train_sharp_bicubic, val_sharp_bicubic, train_blur, ... as they were unpacked, side
by side or in `train` and `val`. OUTPUT gets train_sharp/X4 and train_sharp_bicubic/X4 with clips 000 to 269 (those of
the validation archive are 240 to 269), REDS4_test_sharp/X4 and REDS4_test_sharp_bicubic/X4 with 000, 011, 015 and 020,
and meta_info_REDS_GT.txt. INPUT and OUTPUT may be the same folder. Nothing in INPUT is changed or moved."""
REDS_EXAMPLE = """
example:
  prepare_reds.py --input downloads/REDS --output data/REDS
"""


def reds_main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 (a picture failed or a clip is short) or 2 (wrong use)."""
    return run_command(
        REDS,
        _reds_parser,
        _prepare_reds,
        argv,
        interrupted="what was finished stays, the same command goes on",
        memory="give fewer --workers",
    )


def _prepare_reds(args: argparse.Namespace) -> int:
    from ppvsr.data.prepare import prepare_reds  # late, so that --help and wrong flags are answered at once

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
    return fail(REDS, f"{bad} clips or pictures are not as they should be, see above", 1) if bad else 0


def _reds_parser() -> Parser:
    parser = Parser(
        prog="prepare_reds.py",
        description=REDS_DESCRIPTION,
        epilog=REDS_EXAMPLE,
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


# ---- `tools/vimeo_preprocess.py`: annotation files and LQ pictures for Vimeo-90K.

VIMEO = "vimeo_preprocess"
VIMEO_DESCRIPTION = """Prepare Vimeo-90K (septuplets) for training.

Writes meta_info_Vimeo90K_train_GT.txt and meta_info_Vimeo90K_test_GT.txt into the folders of the given lists, and with
--generate-lq the small pictures: MATLAB's bicubic, rounded once, as the published BIx4 sets are. Pictures that are
there already are not made again, so that the same command goes on after an interruption. A picture whose sides cannot
be divided by --scale fails."""
VIMEO_EXAMPLE = """
example:
  vimeo_preprocess.py --train-annotation data/vimeo90k/vimeo_septuplet/sep_trainlist.txt \\
    --test-annotation data/vimeo90k/vimeo_septuplet/sep_testlist.txt \\
    --images-root data/vimeo90k/vimeo_septuplet/sequences \\
    --output-dir data/vimeo90k/vimeo_septuplet/BIx4 --generate-lq
"""


def vimeo_main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 (a picture failed) or 2 (wrong use)."""
    return run_command(
        VIMEO,
        _vimeo_parser,
        _prepare_vimeo,
        argv,
        interrupted="what was finished stays, the same command goes on",
        memory="give fewer --workers",
    )


def _prepare_vimeo(args: argparse.Namespace) -> int:
    from ppvsr.data.prepare import prepare_vimeo  # late, so that --help and wrong flags are answered at once

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
    return fail(VIMEO, f"{failed} pictures failed", 1) if failed else 0


def _vimeo_parser() -> Parser:
    parser = Parser(
        prog="vimeo_preprocess.py",
        description=VIMEO_DESCRIPTION,
        epilog=VIMEO_EXAMPLE,
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
