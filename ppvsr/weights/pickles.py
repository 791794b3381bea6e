"""Pickles, and PyTorch's two file layouts around them, read without PyTorch and without running anything of theirs."""

from __future__ import annotations

import math
import pickle
import pickletools
import struct
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ppvsr.errors import WeightsError

# ---- Numbers as weight files store them: little endian, one run per array.

ELEMENTS: dict[str, np.dtype] = {
    "float64": np.dtype("<f8"),
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
    "bfloat16": np.dtype("<u2"),  # the upper half of a float32; numpy has no name for it
    "int64": np.dtype("<i8"),
    "int32": np.dtype("<i4"),
    "int16": np.dtype("<i2"),
    "int8": np.dtype("i1"),
    "uint8": np.dtype("u1"),
    "bool": np.dtype("?"),
}


def decode(data: bytes, element: str) -> np.ndarray:
    """Return the numbers of one run, as a flat array; bfloat16 becomes float32, which holds it exactly."""
    values = np.frombuffer(data, ELEMENTS[element])
    if element == "bfloat16":
        return (values.astype("<u4") << 16).view("<f4")
    return values


# ---- Pickles read without running anything of theirs.
# A pickle is a program: it names callables and calls them. Here each name is looked up in a table of stand-ins that
# only hold what the pickle says; a name that is not in the table ends the reading before anything was called.

Allowed = Mapping[tuple[str, str], Any]


class StandIn:
    """Takes the place of something that a pickle names.

    Every stand-in has `__setstate__`: without it a pickle could set attributes of the stand-in's own class.
    """

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError(f"a state for {type(self).__name__}, which has none")


class Held(StandIn):
    """Stands for something that is an array in the end: `value`."""

    value: np.ndarray


class Dtype(StandIn):
    """`numpy.dtype(code, align, copy)`, and its state (version, byte order, ...)."""

    def __init__(self, code: str, *_flags: Any) -> None:
        self.code = code
        self.order: Any = "="

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]

    def numpy(self) -> np.dtype:
        """Return the real thing; only plain numbers are accepted."""
        dtype = np.dtype(str(self.code)).newbyteorder(self.order)
        if dtype.kind not in "biuf":
            raise pickle.UnpicklingError(f"an array of {dtype}, not of numbers")
        return dtype


class Array(Held):
    """`_reconstruct(ndarray, (0,), b"b")`, and its state (version, shape, dtype, column-major, bytes)."""

    def __init__(self, *_empty: Any) -> None:
        self.value = np.zeros(0, np.float32)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, raw = state
        self.value = _array(raw, dtype, shape, "F" if fortran else "C")


class Scalar(Held):
    """`scalar(dtype, bytes)`: one number of a numpy type."""

    def __init__(self, dtype: Dtype, raw: Any) -> None:
        self.value = _array(raw, dtype, (), "C")


class Buffer(Held):
    """`_frombuffer(bytes, dtype, shape, order)`: an array as pickle protocol 5 knows it."""

    def __init__(self, raw: Any, dtype: Dtype, shape: tuple[int, ...], order: str) -> None:
        self.value = _array(raw, dtype, shape, "F" if order == "F" else "C")


class Latin1(StandIn):
    """`_codecs.encode(text, "latin1")`: how bytes are spelt before pickle protocol 3."""

    def __init__(self, text: str, _encoding: str) -> None:
        self.text = text


class Dictionary(dict, StandIn):
    """`collections.OrderedDict`; the attributes that PyTorch hangs on it are dropped."""

    def __setstate__(self, state: Any) -> None:
        pass


def _array(raw: Any, dtype: Dtype, shape: tuple[int, ...], order: Any) -> np.ndarray:
    text = raw.text if isinstance(raw, Latin1) else raw
    data = _encoded(text) if isinstance(text, str) else text  # a bare string comes from Python 2
    return np.frombuffer(data, dtype.numpy()).reshape(shape, order=order)


@cache
def _encoded(text: str) -> bytes:
    """Encode a text once, however often a pickle names it: a few bytes could otherwise fill the memory with copies."""
    return text.encode("latin1")


NUMPY: Allowed = {
    ("numpy", "ndarray"): "numpy.ndarray",  # an argument of _reconstruct, never called
    ("numpy", "dtype"): Dtype,
    ("numpy.core.multiarray", "_reconstruct"): Array,
    ("numpy._core.multiarray", "_reconstruct"): Array,
    ("numpy.core.multiarray", "scalar"): Scalar,
    ("numpy._core.multiarray", "scalar"): Scalar,
    ("numpy.core.numeric", "_frombuffer"): Buffer,
    ("numpy._core.numeric", "_frombuffer"): Buffer,
    ("collections", "OrderedDict"): Dictionary,
    ("_codecs", "encode"): Latin1,
    ("builtins", "tuple"): tuple,  # paddle.save: tuple((name, array)) for a tensor
    ("__builtin__", "tuple"): tuple,
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BytesIO, path: Path, allowed: Allowed, storage: Callable[[Any], Any] | None) -> None:
        super().__init__(file, encoding="latin1")
        self.path, self.allowed, self.storage = path, allowed, storage

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.allowed:
            raise WeightsError(
                f"{self.path}: refused, it wants to call `{module}.{name}`, which no weights need; "
                "nothing was executed. Get the weights from a source you trust"
            )
        return self.allowed[module, name]

    def persistent_load(self, pid: Any) -> Any:
        if self.storage is None:
            raise pickle.UnpicklingError("it refers to data outside itself")
        return self.storage(pid)


MEMO = {"PUT", "BINPUT", "LONG_BINPUT"}  # keep an object at a place of a table that grows up to it


def _check_claims(file: BytesIO) -> None:
    """Raise ValueError unless what the next pickle announces fits its size; leave `file` where it was.

    The unpickler believes such numbers, and takes tens of gigabytes for a file of ten bytes.
    """
    start, size = file.tell(), file.getbuffer().nbytes
    for opcode, argument, _ in pickletools.genops(file):  # which checks lengths itself
        if opcode.name in MEMO and int(argument or 0) > size:
            raise ValueError(f"a table of {argument} objects in {size} bytes")
    file.seek(start)


def unpickle(file: BytesIO, path: Path, allowed: Allowed = NUMPY, storage: Callable[[Any], Any] | None = None) -> Any:
    """Return the next pickled object of `file`, arrays as `Held`.

    file: in memory, where nothing can be read that is not there. path: for messages. allowed: what the pickle may
    name, and what stands in for it. storage: turns a persistent id into an object. Raises WeightsError when the pickle
    names anything else, and all kinds of exceptions when it is damaged.
    """
    _check_claims(file)
    try:
        return _Unpickler(file, path, allowed, storage).load()
    finally:
        _encoded.cache_clear()


# ---- PyTorch's two file layouts, read without PyTorch.
# Since 1.6: a zip with `data.pkl` and one entry per storage. Before: pickles and raw storages one after another
# (torch/serialization.py). Both pickles name storages by persistent ids ("storage", type, key, location, numel, ...).

MAGIC = 0x1950A86A20F9469CFC6C
BIG_ENDIAN = "written on a big-endian machine, which is not supported; save it again on a little-endian one"


class Storage(StandIn):
    """A flat run of `count` numbers of one kind, which tensors look into; `values` are filled in when read."""

    def __init__(self, element: str, count: int) -> None:
        self.element, self.count = element, count
        self.values: np.ndarray | None = None

    @property
    def nbytes(self) -> int:
        """What the storage takes in the file."""
        return self.count * ELEMENTS[self.element].itemsize

    def fill(self, data: bytes) -> None:
        """Take the values out of the bytes of the file."""
        if len(data) < self.nbytes:
            raise ValueError(f"a storage of {self.nbytes} bytes has only {len(data)}")
        self.values = decode(data[: self.nbytes], self.element)


class Tensor(Held):
    """`_rebuild_tensor_v2(storage, offset, size, stride, ...)`; offset and strides in elements."""

    def __init__(
        self, storage: Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_rest: Any
    ) -> None:
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride

    @property
    def value(self) -> np.ndarray:  # type: ignore[override]
        """The numbers, a view; only once the storage is filled."""
        values, count = self.storage.values, math.prod(self.size)
        if values is None:
            raise ValueError("a tensor without its storage")
        last = self.offset + sum((n - 1) * step for n, step in zip(self.size, self.stride, strict=True))
        if min(self.offset, *self.size, *self.stride, 0) < 0 or (count and last >= values.size):
            raise ValueError("a tensor reaches outside its storage")
        if count > values.size:
            raise ValueError("a tensor larger than its storage")
        bytes_per_step = [step * values.itemsize for step in self.stride]
        return np.lib.stride_tricks.as_strided(values[self.offset :], self.size, bytes_per_step)


class Parameter(Held):
    """`_rebuild_parameter(tensor, requires_grad, hooks)`."""

    def __init__(self, tensor: Tensor, *_rest: Any) -> None:
        self.tensor = tensor

    @property
    def value(self) -> np.ndarray:  # type: ignore[override]
        """The numbers of the tensor."""
        return self.tensor.value


STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
TORCH: Allowed = {
    **NUMPY,
    **{("torch", name): element for name, element in STORAGES.items()},
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor"): Tensor,
    ("torch._utils", "_rebuild_tensor_v2"): Tensor,
    ("torch._utils", "_rebuild_parameter"): Parameter,
}


def read_zip(archive: zipfile.ZipFile, path: Path) -> Any:
    """Return what `torch.save` was given, tensors as `Held`.

    Raises WeightsError for what is refused, and all kinds of exceptions for a damaged file.
    """
    (pickled,) = (name for name in archive.namelist() if name.split("/")[1:] == ["data.pkl"])
    root = pickled.removesuffix("data.pkl")
    if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") != b"little":
        raise WeightsError(f"{path}: {BIG_ENDIAN}")
    storages: dict[str, Storage] = {}

    def storage(pid: Any) -> Storage:
        _, element, key, _, count = pid
        if key not in storages:
            storages[key] = Storage(element, count)
            storages[key].fill(archive.read(f"{root}data/{key}"))
        return storages[key]

    return unpickle(BytesIO(archive.read(pickled)), path, TORCH, storage)


def read_legacy(file: BytesIO, path: Path) -> Any:
    """Return what `torch.save(..., _use_new_zipfile_serialization=False)` was given, from after the magic number on.

    Raises WeightsError for what is refused, and all kinds of exceptions for a damaged file.
    """
    unpickle(file, path)  # the version of the layout; there has been only one
    if not unpickle(file, path)["little_endian"]:
        raise WeightsError(f"{path}: {BIG_ENDIAN}")
    storages: dict[str, Storage] = {}

    def storage(pid: Any) -> Storage:
        _, element, key, _, count, view = pid
        if view is not None:
            raise WeightsError(
                f"{path}: storages inside storages (PyTorch before 0.4); save it again with a newer PyTorch"
            )
        return storages.setdefault(key, Storage(element, count))

    tree = unpickle(file, path, TORCH, storage)
    for key in unpickle(file, path):
        (count,) = struct.unpack("<q", file.read(8))
        if count != storages[key].count:
            raise ValueError(f"a storage of {count} numbers, announced with {storages[key].count}")
        storages[key].fill(file.read(storages[key].nbytes))
    return tree
