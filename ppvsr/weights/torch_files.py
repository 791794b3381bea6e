"""PyTorch's two file layouts, read without PyTorch.

Since 1.6: a zip with `data.pkl` and one entry per storage. Before: pickles and raw storages one after another
(torch/serialization.py). Both pickles name storages by persistent ids ("storage", type, key, location, numel, ...).
"""

from __future__ import annotations

import math
import struct
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ppvsr.errors import WeightsError
from ppvsr.weights.pickles import NUMPY, Allowed, Held, StandIn, unpickle
from ppvsr.weights.raw import ELEMENTS, decode

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
