"""Arrays into weight files; a file is either complete or not there."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ppvsr.errors import UsageError
from ppvsr.weights.atomic import replace_file
from ppvsr.weights.legacy import to_ours, to_paddlegan

Arrays = Mapping[str, np.ndarray]
NAMINGS = ("ours", "paddlegan")
DEFAULT_NAMING = {".safetensors": "ours", ".npz": "paddlegan", ".pdparams": "paddlegan"}
# Numpy 2 writes its new module name, which numpy 1 lacks; the old one is known to both. In protocol 2 the name stands
# once, before the first array, and nothing counts bytes.
NUMPY_2_TO_ANY = (b"cnumpy._core.multiarray\n_reconstruct\n", b"cnumpy.core.multiarray\n_reconstruct\n")


def save(
    arrays: Arrays,
    path: str | Path,
    *,
    naming: str | None = None,
    metadata: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write arrays by name, in any naming that `legacy` knows, as .safetensors, .npz or PaddleGAN's .pdparams.

    naming: `ours` or `paddlegan`; by default ours for .safetensors and PaddleGAN's for the others. metadata: notes
    that .safetensors files hold. Raises UsageError for another ending or an existing file without `overwrite`, and
    WeightsError when the file cannot be written; then there is none, or still the old one.
    """
    path = Path(path)
    if path.suffix not in DEFAULT_NAMING:
        raise UsageError(f"{path}: the ending must be one of {', '.join(DEFAULT_NAMING)}")
    if path.exists() and not overwrite:
        raise UsageError(f"{path}: exists already; give another name, or --overwrite")
    naming = naming or DEFAULT_NAMING[path.suffix]
    named = {name: np.ascontiguousarray(array) for name, array in to_ours(arrays).items()}
    if naming == "paddlegan":
        named = {to_paddlegan(name): array for name, array in named.items()}
    writers: dict[str, Callable[[Arrays, BinaryIO], None]] = {
        ".safetensors": partial(_write_safetensors, metadata={"naming": naming, **(metadata or {})}),
        ".npz": _write_npz,
        ".pdparams": _write_pdparams,
    }
    replace_file(path, partial(writers[path.suffix], named))


def _write_safetensors(arrays: Arrays, file: BinaryIO, metadata: dict[str, str]) -> None:
    from safetensors.numpy import save as serialize

    file.write(serialize(dict(arrays), metadata))


def _write_npz(arrays: Arrays, file: BinaryIO) -> None:
    np.savez(file, **arrays)  # type: ignore[arg-type]


def _write_pdparams(arrays: Arrays, file: BinaryIO) -> None:
    write_pickle({"generator": dict(arrays)}, file)


def write_pickle(tree: Mapping[str, Any], file: BinaryIO) -> None:
    """Pickle plain values and arrays so that numpy 1 and 2, PaddlePaddle and PaddleGAN can all read them."""
    file.write(pickle.dumps(tree, protocol=2).replace(*NUMPY_2_TO_ANY, 1))
