"""The keys at the top of a config that are plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ppvsr.errors import ConfigError


@dataclass(frozen=True)
class Settings:
    """What a run does as a whole.

    total_iters: optimisation steps; or epochs: passes over `dataset.train` (then `snapshot_config.interval` counts
    epochs, as in PaddleGAN).  output_dir: where run folders go.  seed: of the first weights and of all samples.
    accumulate: batches of one step.  clip_norm: of all gradients together; None leaves them.  ema_decay: of the
    averaged weights that are validated and saved; None has none.  pretrained: part of the network (`spynet`, `edvr`) →
    a file of its weights, "official", or null for a random start; parts that are not named are official.
    recompute: save memory by computing activations twice.  nan_streak: steps in a row without a finite gradient that
    end the run.  tensorboard: write event files.  native_ops: on a CPU, convolutions by our own operators,
    which are compiled once; false leaves them to Paddle's.
    """

    output_dir: str = "output_dir"
    total_iters: int | None = None
    epochs: int | None = None
    seed: int = 0
    accumulate: int = 1
    clip_norm: float | None = None
    ema_decay: float | None = None
    pretrained: Mapping[str, str | None] = field(default_factory=dict)
    recompute: bool = False
    nan_streak: int = 10
    tensorboard: bool = True
    native_ops: bool = True

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise ConfigError("; ".join(problems))

    def _problems(self) -> Iterator[str]:
        for key in ("total_iters", "epochs", "accumulate", "nan_streak"):
            value = getattr(self, key)
            if value is not None and value < 1:
                yield f"{key}: expected 1 or more, got {value}"
        if self.seed < 0:
            yield f"seed: expected 0 or more, got {self.seed}"
        for part, source in self.pretrained.items():
            if source is not None and not isinstance(source, str):
                yield f"pretrained.{part}: expected a file, official, or null, got {source!r}"
        if self.total_iters and self.epochs:
            yield "total_iters and epochs exclude each other; give one of them"
        if self.clip_norm is not None and not self.clip_norm > 0:
            yield f"clip_norm: expected more than 0, got {self.clip_norm}; leave it out for no limit"
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            yield f"ema_decay: expected a number between 0 and 1, got {self.ema_decay}"
