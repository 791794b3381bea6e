"""Exported networks, read again: what they are, and how they run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ppvsr.errors import PpvsrError, UsageError
from ppvsr.export.about import ENDINGS, digests
from ppvsr.export.engines import Engine, onnx_engine, paddle_engine

KNOWN = (".yaml", *(ending for endings in ENDINGS.values() for ending in endings))
NEEDED = ("format", "kind", "network", "scale", "min_size", "size_multiple", "inputs", "outputs", "files")


@dataclass(frozen=True)
class Exported:
    """A whole clip's network on disk. path: of its files, without ending.  about: its metadata, see docs/export.md."""

    path: Path
    about: Mapping[str, Any]

    def load(self, *, threads: int) -> Engine:
        """Make it run on the CPU, by Paddle Inference with oneDNN or by ONNX Runtime: {"lq": clip} → {"sr": clip}.

        Raises PpvsrError when the files are not those that were proved, or the runtime is missing.
        """
        for name, digest in self.about["files"].items():
            try:
                found = digests(self.path.parent, [Path(name).name])
            except OSError as error:
                raise PpvsrError(f"{self.path.parent / name}: {error.strerror}; export the network again") from error
            if found != {name: digest}:  # Paddle might crash
                raise PpvsrError(f"{self.path.parent / name}: it is damaged or of another export; export it again")
        if self.about["format"] == "onnx":
            return onnx_engine(self.path, threads=threads)
        return paddle_engine(self.path, onednn=True, threads=threads)


def read_exported(path: str | Path) -> Exported:
    """Read the metadata of an exported network: `path` is its name without ending, or any of its files.

    Raises UsageError when there is none, PpvsrError when it is damaged.
    """
    path = Path(path)
    if path.suffix in KNOWN:
        path = path.with_suffix("")
    file = path.with_name(f"{path.name}.yaml")
    try:
        about = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{file}: there is no such exported network; make one by tools/export_model.py") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PpvsrError(
            f"{file}: it cannot be read ({str(error).splitlines()[0]}); export the network again"
        ) from error
    missing = [key for key in NEEDED if key not in about] if isinstance(about, dict) else list(NEEDED)
    if missing:
        raise PpvsrError(f"{file}: it says nothing of {', '.join(missing)}; export the network again")
    if about["format"] not in list(ENDINGS) or not isinstance(about["files"], dict):
        raise PpvsrError(f"{file}: no metadata of a network: format {about['format']!r}; export the network again")
    if about["kind"] == "clip":
        _check_clip(path, about, file)
    return Exported(path, about)


def _check_clip(path: Path, about: Mapping[str, Any], file: Path) -> None:
    """Raise PpvsrError unless the metadata names just the files of this network, and what it takes."""
    if set(about["files"]) != {f"{path.name}{ending}" for ending in ENDINGS[about["format"]]}:
        raise PpvsrError(f"{file}: names other files than its own; do not rename them, export the network again")
    inputs = about["inputs"]
    shape = inputs[0].get("shape") if isinstance(inputs, list) and inputs and isinstance(inputs[0], dict) else None
    numbers = [about[key] for key in ("scale", "min_size", "size_multiple")]
    sides = shape if isinstance(shape, list) and len(shape) == 5 and shape[1] else [""]
    if not all(type(each) is int and each > 0 for each in (*numbers, *(side for side in sides if side is not None))):
        raise PpvsrError(f"{file}: the shape of the input, {shape}, or the scale makes no sense; export it again")
