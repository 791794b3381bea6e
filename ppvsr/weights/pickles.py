"""Pickles read without running anything of theirs.

A pickle is a program: it names callables and calls them. Here each name is looked up in a table of stand-ins that
only hold what the pickle says; a name that is not in the table ends the reading before anything was called.
"""

from __future__ import annotations

import pickle
import pickletools
from collections.abc import Callable, Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ppvsr.errors import WeightsError

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
