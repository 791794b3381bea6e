"""`ppvsr-train` and `tools/main.py`: PaddleGAN's command for training and evaluation."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ppvsr import __version__
from ppvsr.cli.common import Console, Parser, natural, positive, run_command
from ppvsr.errors import UsageError

NAME = "ppvsr-train"
EXAMPLES = """
examples:
  tools/main.py --config-file configs/msvsr_reds.yaml
  tools/main.py --config-file configs/msvsr_reds.yaml --resume auto -o dataset.train.batch_size=4
  tools/main.py --config-file configs/msvsr_reds.yaml --evaluate-only --load weights.pdparams
  python -m paddle.distributed.launch --gpus 0,1 tools/main.py --config-file configs/msvsr_reds.yaml
"""
IGNORED = ("--source_path", "--reference_dir", "--model_path")  # of PaddleGAN's other tools; main.py never read them


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 (failed), 2 (wrong use) or 130 (interrupted; a checkpoint was saved)."""
    return run_command(
        NAME,
        _parser,
        _run,
        argv,
        interrupted="--resume auto goes on from the last checkpoint",
        memory="lower dataset.train.batch_size or num_frames, or set recompute: true",
    )


def _run(args: argparse.Namespace) -> int:
    from ppvsr.train.experiment import read_experiment  # late, so that --help and wrong flags are answered at once
    from ppvsr.train.run import check, evaluate_only, pack, train
    from ppvsr.train.setup import AUTO, Request

    if args.resume not in (None, AUTO) and args.load:
        raise UsageError("--resume FILE and --load exclude each other: --resume goes on, --load starts from weights")
    if args.resume and args.evaluate_only:
        raise UsageError("--evaluate-only takes its weights by --load (a checkpoint will do)")
    work = evaluate_only if args.evaluate_only else check if args.check else pack if args.pack else train
    experiment = read_experiment(args.config_file, args.opt, training=work is not evaluate_only)
    request = Request(
        resume=args.resume,
        load=args.load,
        amp=args.amp_level if args.amp else "O0",
        device="cpu" if args.no_cuda else args.device,
        seed=args.seed,
        validate_interval=args.val_interval,
    )
    with Console() as console:
        work(experiment, request, console)
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="main.py",
        description="Train a network as a config says, or evaluate one.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ppvsr {__version__}")
    parser.add_argument("-c", "--config-file", required=True, metavar="FILE", help="a YAML file, see configs/")
    parser.add_argument(
        "-o", "--opt", nargs="+", default=[], action="extend", metavar="KEY=VALUE", help="a.b.0.c=v, over the file"
    )
    start = parser.add_argument_group("where to start")
    start.add_argument("--resume", metavar="FILE|auto", help="go on exactly from a checkpoint; auto: the newest one")
    start.add_argument("--load", metavar="FILE", help="weights to start from, or to evaluate")
    start.add_argument("--seed", type=natural, metavar="N", help="over the config's `seed` (0)")
    work = parser.add_mutually_exclusive_group()
    work.add_argument("--evaluate-only", action="store_true", help="measure the weights of --load, and stop")
    work.add_argument("--check", action="store_true", help="check the config, look at the data, and stop")
    work.add_argument("--pack", action="store_true", help="write the packed clips that `pack:` names, and stop")
    run = parser.add_argument_group("how to run")
    run.add_argument("--amp", action="store_true", help="mixed precision (needs a GPU)")
    run.add_argument("--amp_level", default="O1", choices=["O1", "O2"], help="(%(default)s)")
    run.add_argument("--device", metavar="NAME", help="cpu, gpu, gpu:1, npu, ... (a GPU where Paddle finds one)")
    run.add_argument("--no-cuda", action="store_true", help="the same as --device cpu")
    run.add_argument("--val-interval", type=positive, metavar="N", help="over the config's validate.interval")
    for flag in IGNORED:
        parser.add_argument(flag, help=argparse.SUPPRESS)
    return parser
