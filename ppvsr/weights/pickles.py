"""Numbers as weight files store them: little endian, one run per array."""

from __future__ import annotations

import numpy as np

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
