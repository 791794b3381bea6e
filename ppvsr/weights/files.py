"""Weight files of any kind, read and written. The kind is told by a file's content, never by its ending."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ppvsr.errors import UsageError, WeightsError
from ppvsr.system.files import replace_file
from ppvsr.weights import pickles
from ppvsr.weights.names import to_ours, to_paddlegan
from ppvsr.weights.pickles import Held, decode, unpickle

# ---- Any weight file → its arrays by name. The kind of a file is told by its content, never by its ending.

LIMIT = 4 << 30  # bytes, of a file and of all its arrays; the largest video network known here takes 0.2 GB
WRAPPERS = ("state_dict", "params_ema", "params", "ema", "generator")  # where the weights are, when a file holds more
PREFIXES = ("module.", "generator.", "module.")  # of the parameters, when they were saved from a larger object
NO_PARAMETERS = {"step_counter"}
SAFETENSORS = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
STRANGERS = {  # how files start that are sometimes saved under the name of weights
    b"<": "it is a web page; the download went wrong",
    b"version https://git-lfs": "it is a pointer of Git LFS; run `git lfs pull`",
    b"\x1f\x8b": "it is compressed; unpack it first",
    b"": "it is neither .safetensors, .npz, .pdparams nor .pth",
}


def read(path: str | Path) -> dict[str, np.ndarray]:
    """Return the arrays of a weight file by the names they have there.

    Reads .safetensors, .npz, PaddlePaddle's .pdparams (also training checkpoints) and PyTorch's .pth (both layouts).
    Nothing of a file is executed. Raises WeightsError when the file is missing, unknown, damaged, hostile or too large.
    """
    path = Path(path)
    with _told_apart(path):
        size = path.stat().st_size
        _check_size(path, size)
        arrays = _arrays(_tree(path), path)
        _check_size(path, sum(array.nbytes for array in arrays.values()))
        return {name: np.array(array, order="C") for name, array in arrays.items()}


def read_entries(path: str | Path) -> dict[str, Any]:
    """Return the entries of a file that holds more than weights, such as a training checkpoint, by name.

    An entry that is a mapping becomes its arrays by name, whatever else it holds left out; an array becomes an array;
    others stay as they are. Executes nothing; raises WeightsError as `read` does.
    """
    path = Path(path)
    with _told_apart(path):
        _check_size(path, path.stat().st_size)
        tree = _tree(path)
        if not isinstance(tree, Mapping):
            raise WeightsError(f"{path}: holds a {type(tree).__name__}, not entries by name")
        entries = {str(name): _entry(value) for name, value in tree.items()}
        _check_size(path, sum(_bytes(entry) for entry in entries.values()))
        return entries


def _entry(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): array for name, inner in value.items() if (array := _array(inner)) is not None}
    array = _array(value)
    return value if array is None else array


def _bytes(entry: Any) -> int:
    if isinstance(entry, dict):
        return sum(map(_bytes, entry.values()))
    return entry.nbytes if isinstance(entry, np.ndarray) else 0


@contextmanager
def _told_apart(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while reading `path` into one line for the user."""
    try:
        yield
    except WeightsError:
        raise
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such file") from None
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # a damaged pickle can raise anything
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise WeightsError(f"{path}: damaged or cut short ({reason}); get the file again") from error


def _check_size(path: Path, size: int) -> None:
    if size > LIMIT:
        raise WeightsError(f"{path}: refused, {size:,} bytes are more than weights take ({LIMIT:,})")


def _tree(path: Path) -> Mapping[str, Any]:
    with path.open("rb") as file:
        head = file.read(32)
    if head.startswith(b"PK\x03\x04"):
        return _zip(path)
    if head[4:9] == b"\0\0\0\0{":  # the upper half of the header's length, and the header
        return _safetensors(path)
    if head.startswith(b"\x80"):
        return _pickle(path)
    raise WeightsError(
        f"{path}: not a weight file: {next(text for start, text in STRANGERS.items() if head.startswith(start))}"
    )


def _zip(path: Path) -> Mapping[str, Any]:
    with zipfile.ZipFile(path) as archive:
        _check_size(path, sum(entry.file_size for entry in archive.infolist()))
        endings = {Path(name).suffix for name in archive.namelist()}
        if ".pkl" in endings:
            return pickles.read_zip(archive, path)
    if endings != {".npy"}:
        raise WeightsError(f"{path}: a zip with neither arrays of numpy nor a `data.pkl` of PyTorch; unpack it first")
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def _pickle(path: Path) -> Mapping[str, Any]:
    file = BytesIO(path.read_bytes())
    first = unpickle(file, path)
    return pickles.read_legacy(file, path) if first == pickles.MAGIC else first


def _safetensors(path: Path) -> Mapping[str, Any]:
    from safetensors import deserialize

    return {
        name: decode(entry["data"], SAFETENSORS[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in deserialize(path.read_bytes())
    }


def _arrays(tree: Any, path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of `tree` without its wrapping; whatever is no array (epochs, rates, notes) is left out."""
    if not isinstance(tree, Mapping):
        raise WeightsError(f"{path}: holds a {type(tree).__name__}, not parameters by name")
    for name in WRAPPERS:
        if isinstance(tree.get(name), Mapping):
            return _arrays(tree[name], path)
    arrays = {str(name): array for name, value in tree.items() if (array := _array(value)) is not None}
    for prefix in PREFIXES:
        inner = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
        arrays = inner or arrays
    arrays = {name: array for name, array in arrays.items() if name not in NO_PARAMETERS}
    if not arrays:
        raise WeightsError(f"{path}: no parameters in it, only {', '.join(map(str, list(tree)[:8])) or 'nothing'}")
    return arrays


def _array(value: Any) -> np.ndarray | None:
    """Return an entry as array; paddle.save writes (name, array) for a tensor. None if it is something else."""
    if isinstance(value, tuple) and len(value) == 2:
        value = value[1]
    if isinstance(value, Held):
        return value.value
    return value if isinstance(value, np.ndarray) else None


# ---- Arrays into weight files; a file is either complete or not there.

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
