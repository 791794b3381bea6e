"""Where an exported network goes: a work folder beside the target, and all files at once when they are proved."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ppvsr.errors import UsageError
from ppvsr.export.about import ENDINGS, Format, digests

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
