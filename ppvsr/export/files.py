"""The files of an exported network: the shape it takes, where they go, and what is kept beside them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import yaml

from ppvsr import __version__
from ppvsr.errors import UsageError
from ppvsr.export.onnx import OPSET

# ---- The shape of the clips that an exported network takes, as people write it.

FREE = -1
EXAMPLE = "1,10,3,180,320"
LARGEST = 2**16  # of any number in a shape; more is a slip
EXCESS = 9  # pixels by which the second clip of a proof is wider than the least one


@dataclass(frozen=True)
class ClipShape:
    """(batch, frames, channels, height, width); None is free: whatever comes when the program runs."""

    batch: int | None
    frames: int
    channels: int
    height: int | None
    width: int | None

    @classmethod
    def parse(cls, text: str) -> ClipShape:
        """Read "1,10,3,180,320"; -1 is free. Raises UsageError for what is no shape of a clip."""
        where = f"--inputs_size {text}"
        try:
            numbers = [int(part) for part in text.split(",")]
        except ValueError:
            raise UsageError(f"{where}: expected five whole numbers such as {EXAMPLE}") from None
        if len(numbers) != 5:
            raise UsageError(f"{where}: {len(numbers)} numbers; a clip has five: batch,frames,3,height,width")
        if any(number != FREE and not 1 <= number <= LARGEST for number in numbers):
            raise UsageError(f"{where}: every number must be 1 to {LARGEST}, or -1 for one that is free")
        batch, frames, channels, height, width = (None if number == FREE else number for number in numbers)
        if frames is None:
            raise UsageError(
                f"{where}: the number of frames cannot be free, the loop over them is unrolled; "
                "give a number, or export the steps by --steps"
            )
        if channels != 3:
            raise UsageError(f"{where}: channels must be 3 (RGB)")
        if (height is None) != (width is None):
            raise UsageError(f"{where}: height and width are both free, or neither")
        return cls(batch, frames, channels, height, width)

    @property
    def free(self) -> bool:
        """Whether anything is left open."""
        return self.batch is None or self.height is None

    def sizes(self) -> list[int | None]:
        """Return the numbers in order."""
        return [self.batch, self.frames, self.channels, self.height, self.width]

    def check(self, net: Any) -> None:
        """Raise UsageError unless a network takes such clips."""
        name, least, multiple = type(net).__name__, net.min_size, net.size_multiple
        if self.free and (multiple > 1 or not hasattr(net, "steps")):
            raise UsageError(
                f"--inputs_size: {name} can be exported for a fixed batch, height and width only, "
                f"because it fits sides to multiples of {multiple} in Python; give numbers such as {EXAMPLE}"
            )
        for side, value in (("height", self.height), ("width", self.width)):
            if value is not None and value < least:
                raise UsageError(f"--inputs_size: {side} {value} is too small for {name}, which takes {least} or more")

    def examples(self, net: Any) -> list[tuple[int, ...]]:
        """Return the sizes of two clips to prove a program with: two different ones where the shape is free."""
        least = net.min_size
        pairs = ((least, least), (least + 1, least + EXCESS))
        return [
            (self.batch or number, self.frames, self.channels, self.height or height, self.width or width)
            for number, (height, width) in enumerate(pairs, start=1)
        ]


# ---- What is kept beside an exported network: which it is, what it takes and gives, and how well it was proved.

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


# ---- Where an exported network goes: a work folder beside the target, and all files at once when they are proved.

STEPS_FILE = "steps.yaml"
NAMES = "a name of letters, digits, and . _ + -"


@dataclass(frozen=True)
class Target:
    """A name in a folder, and the format. overwrite: whether what is there may be replaced."""

    folder: Path
    name: str
    format: Format
    overwrite: bool = False

    def __post_init__(self) -> None:
        plain = self.name.replace(".", "").replace("_", "").replace("+", "").replace("-", "")
        if not plain.isalnum() or self.name.startswith("."):
            raise UsageError(f"--model_name {self.name}: expected {NAMES}")

    @property
    def metadata(self) -> Path:
        """The file that says what is exported; it comes last."""
        return self.folder / f"{self.name}.yaml"

    @property
    def steps(self) -> Path:
        """The folder of exported steps."""
        return self.folder / f"{self.name}_steps"

    def check(self, *, steps: bool) -> None:
        """Raise UsageError if something is there already and must stay."""
        files = [self.folder / f"{self.name}{ending}" for ending in (*ENDINGS[self.format], ".yaml")]
        there = [path for path in ([self.steps] if steps else files) if path.exists()]
        if there and not self.overwrite:
            raise UsageError(f"{there[0]}: exists already; give another --model_name, or --overwrite")
        if steps and there and not (self.steps / STEPS_FILE).is_file() and any(self.steps.iterdir()):
            raise UsageError(f"{self.steps}: holds something else than exported steps; give another --model_name")

    @contextlib.contextmanager
    def work(self) -> Iterator[Path]:
        """Give an empty folder on the same disk; it does not outlive this. Raises UsageError if there can be none."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            folder = tempfile.TemporaryDirectory(prefix=f".{self.name}.", suffix=".part", dir=self.folder)
        except OSError as error:
            raise UsageError(f"--output_dir {self.folder}: {error.strerror}; choose another folder") from error
        with folder:
            yield Path(folder.name)

    def publish(self, work: Path, about: Mapping[str, Any]) -> Path:
        """Move the files of one program to their names; return the metadata file."""
        names = [f"{self.name}{ending}" for ending in ENDINGS[self.format]]
        _write(work / self.metadata.name, {**about, "files": digests(work, names)})
        self.metadata.unlink(missing_ok=True)  # of the files before
        for name in (*names, self.metadata.name):
            (work / name).replace(self.folder / name)
        return self.metadata

    def publish_steps(self, work: Path, names: list[str], about: Mapping[str, Any]) -> Path:
        """Give the folder of steps its name; return the list of the steps."""
        files = [f"{name}{ending}" for name in names for ending in ENDINGS[self.format]]
        complete = work / "complete"
        complete.mkdir()
        _write(complete / STEPS_FILE, {**about, "files": digests(work, files)})
        for name in files:
            (work / name).replace(complete / name)
        if self.steps.exists():
            self.steps.replace(work / "before")  # removed with `work`
        complete.replace(self.steps)
        return self.steps / STEPS_FILE


def _write(path: Path, about: Mapping[str, Any]) -> None:
    path.write_text(
        yaml.safe_dump(dict(about), sort_keys=False, default_flow_style=None, allow_unicode=True, width=120),
        encoding="utf-8",
    )
