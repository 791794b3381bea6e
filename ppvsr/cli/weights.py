"""`convert_weights IN OUT`: a weight file of any kind becomes a .safetensors, .npz or .pdparams file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ppvsr.errors import PpvsrError
from ppvsr.weights.files import read
from ppvsr.weights.legacy import recognise
from ppvsr.weights.save import NAMINGS, save

DESCRIPTION = """Convert weights of video super-resolution networks.

IN is told by its content: .safetensors, .npz, PaddleGAN's .pdparams (weights or checkpoints), PyTorch's .pth of mmagic,
BasicVSR_PlusPlus or BasicSR. Nothing in it is executed, and neither PyTorch nor PaddlePaddle is needed.
OUT is told by its ending: .safetensors (our names), .npz or .pdparams (PaddleGAN's names, which PaddleGAN opens)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, 1 for a bad file, 2 for a bad request."""
    parser = argparse.ArgumentParser(
        "convert_weights", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", metavar="IN")
    parser.add_argument("target", metavar="OUT")
    parser.add_argument(
        "--naming", choices=NAMINGS, help="the names to write, instead of those usual for the ending of OUT"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")
    args = parser.parse_args(argv)
    try:
        arrays = read(args.source)
        save(arrays, args.target, naming=args.naming, overwrite=args.overwrite)
    except PpvsrError as error:
        print(f"convert_weights: {error}", file=sys.stderr)
        return error.exit_code
    count = sum(array.size for array in arrays.values())
    print(f"{args.target}: {len(arrays)} arrays, {count:,} numbers; the names in {args.source}: {recognise(arrays)}")
    return 0
