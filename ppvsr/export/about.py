"""What is kept beside an exported network: which it is, what it takes and gives, and how well it was proved."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from ppvsr import __version__
from ppvsr.errors import UsageError
from ppvsr.export.convert import OPSET

Format = Literal["paddle", "onnx"]
ENDINGS: dict[str, tuple[str, ...]] = {"paddle": (".pdiparams", ".json"), "onnx": (".onnx",)}
PACKAGES = {"paddle": ("paddlepaddle", "paddlepaddle-gpu"), "paddle2onnx": ("paddle2onnx",)}
NOT_IN_ONNX = ("files", "proof")  # they come after the file is complete


@dataclass(frozen=True)
class Origin:
    """Which network is exported, and whose weights it has.

    network, options: as in YAML configs.  variant: its row in the table of variants, if it is one.
    weights: `name`, `licence`, `trained_on` and `sha256`, None where unknown.
    """

    network: str
    options: Mapping[str, Any] = field(default_factory=dict)
    variant: str | None = None
    weights: Mapping[str, str | None] = field(default_factory=dict)


def check_format(name: str) -> Format:
    """Return a format by its name. Raises UsageError when there is no such format."""
    if name not in ENDINGS:
        raise UsageError(f"--format {name}: there are {' and '.join(ENDINGS)}")
    return name  # type: ignore[return-value]


def describe(net: Any, origin: Origin, format: Format, kind: str) -> dict[str, Any]:
    """Return the first part of the metadata, see docs/export.md."""
    return {
        "format": format,
        "kind": kind,
        "network": origin.network,
        "variant": origin.variant,
        "options": dict(origin.options),
        "weights": dict(origin.weights),
        "colours": "RGB",
        "range": [0.0, 1.0],
        "layout": ["batch", "frames", "channels", "height", "width"],
        "scale": net.scale,
        "min_size": net.min_size,
        "size_multiple": net.size_multiple,
        "versions": _versions(format),
    }


def notes(about: Mapping[str, Any]) -> dict[str, str]:
    """Return metadata as ONNX files hold it: text by name."""
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in about.items()
        if key not in NOT_IN_ONNX
    }


def digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of files by name."""
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def _versions(format: Format) -> dict[str, Any]:
    onnx = format == "onnx"
    packages = PACKAGES if onnx else {"paddle": PACKAGES["paddle"]}
    found = {name: _version(candidates) for name, candidates in packages.items()}
    return {"ppvsr": __version__, "paddle2onnx": None, **found, "opset": OPSET if onnx else None}


def _version(candidates: Iterable[str]) -> str | None:
    for package in candidates:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return None
