"""What makes two runs the same run: one that was interrupted goes on only if all of this is equal."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from fractions import Fraction
from importlib import metadata
from pathlib import Path
from typing import Any

from ppvsr import __version__
from ppvsr.assemble.stages import Stage
from ppvsr.errors import UsageError
from ppvsr.video.open import images_at
from ppvsr.weights.zoo import Weights

ENDS = 2**20  # bytes at either end of a film that are compared: all of it would take minutes
PACKAGES = (
    "numpy",
    "opencv-python",
    "opencv-python-headless",
    "paddlepaddle",
    "paddlepaddle-gpu",
    "av",
)  # whose version decides the result


def identity_of(source: Path, stages: Sequence[Stage], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run as JSON values: its input, networks, options and the versions of what makes it.

    options: by the names of their flags; dataclasses are taken apart, of a file its content counts.
    Raises UsageError when a file cannot be read.
    """
    try:
        return {
            "input": _input(source),
            "networks": [{"variant": each.variant.name, "weights": _weights(each.weights)} for each in stages],
            "options": {name: _plain(value) for name, value in options.items()},
            "versions": dict(_versions()),
        }
    except OSError as error:
        raise UsageError(f"{error.filename or source}: cannot be read: {error.strerror}") from error


def _input(source: Path) -> dict[str, Any]:
    files = images_at(source) or [source]
    stats = [each.stat() for each in files]
    facts = [f"{each.name} {stat.st_size}" for each, stat in zip(files, stats, strict=True)]
    facts += [_ends(files[0]), _ends(files[-1])]
    if len(files) > 1:  # pictures often have one size, and black ones at both ends
        facts += [str(stat.st_mtime_ns) for stat in stats]
    digest = hashlib.sha256("\n".join(facts).encode("utf-8", "surrogateescape")).hexdigest()
    return {"name": source.name, "files": len(files), "bytes": sum(stat.st_size for stat in stats), "digest": digest}


def _ends(path: Path) -> str:
    """Return a digest of the first and the last bytes of a file."""
    with path.open("rb") as file:
        first = file.read(ENDS)
        file.seek(max(os.fstat(file.fileno()).st_size - ENDS, 0))
        return hashlib.sha256(first + file.read(ENDS)).hexdigest()


def _weights(weights: Weights | Path | None) -> Any:
    if isinstance(weights, Weights):
        return " ".join([weights.name, (weights.sha256 or "")[:16]]).strip()
    return _plain(weights)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Path):
        return f"{value.name} {hashlib.sha256(value.read_bytes()).hexdigest()[:16]}"
    return (
        str(value) if isinstance(value, Fraction) else list(map(_plain, value)) if isinstance(value, tuple) else value
    )


def _versions() -> list[tuple[str, str]]:
    found = [("ppvsr", __version__)]
    for name in PACKAGES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return found
