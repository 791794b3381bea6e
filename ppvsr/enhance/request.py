"""What is to be made of a film, in one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

from ppvsr.assemble.stages import Cut, Engine, Stage
from ppvsr.enhance.finish import Finish
from ppvsr.errors import UsageError
from ppvsr.video.encoder import Encoding
from ppvsr.video.scene_list import SceneOptions


@dataclass(frozen=True)
class Order:
    """Everything that decides about the pictures; the fields are those of `enhance_video`, grouped."""

    source: str | Path
    output: Path
    stages: Sequence[Stage]
    cut: Cut
    engine: Engine
    container: str
    encoding: Encoding
    rate: Fraction | None
    start: Fraction | None
    frames: int | None
    scenes: SceneOptions
    finish: Finish
    segment: int

    def __post_init__(self) -> None:
        if self.segment < 1:
            raise UsageError(f"segment {self.segment}: must be at least 1 frame")

    @property
    def names(self) -> str:
        """The variants that were asked for."""
        return ", ".join(stage.variant.name for stage in self.stages)

    def options(self) -> dict[str, Any]:
        """Return, by name, all but names, networks, and what only decides how fast and in how much memory they run."""
        names = [each.name for each in fields(self) if each.name not in ("source", "output", "stages", "cut", "engine")]
        cut = {"num_frames": self.cut.num_frames, "overlap": self.cut.overlap, "streaming": self.cut.streaming}
        return {**cut, "backend": self.engine.backend, **{name: getattr(self, name) for name in names}}
