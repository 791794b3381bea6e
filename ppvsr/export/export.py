"""From a config, or a variant's name, and weights to exported files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppvsr.config.build import Call
from ppvsr.errors import UsageError
from ppvsr.export.files import EXAMPLE, ClipShape, Origin, Target, check_format
from ppvsr.system.paddle import use_device
from ppvsr.train.experiment import FOR_EXPORT, Experiment, read_experiment
from ppvsr.weights.download import fetch
from ppvsr.weights.networks import find_weights, load_network, load_weights
from ppvsr.weights.zoo import Weights, find_variant

if TYPE_CHECKING:
    from paddle.nn import Layer

FOLDER = "inference_model"  # PaddleGAN's


@dataclass(frozen=True)
class ExportRequest:
    """What to write, and where.

    size: the shape of a clip, "1,10,3,180,320"; -1 is free; None is that one.  steps: the steps instead of a clip.
    format: paddle or onnx.  folder, name: of the files; None is the network's own name.
    auxiliary, portable: see ppvsr.export.write.Options.  overwrite: replace what is there.
    """

    size: str | None = None
    steps: bool = False
    format: str = "paddle"
    folder: Path = Path(FOLDER)
    name: str | None = None
    auxiliary: bool = False
    portable: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        check_format(self.format)
        if self.steps and self.size:
            raise UsageError("--steps: they take pictures of any size; leave --inputs_size out")
        self.shape  # noqa: B018 (raises)

    @property
    def shape(self) -> ClipShape:
        """The shape of a clip. Raises UsageError when it cannot be."""
        return ClipShape.parse(self.size or EXAMPLE)

    def target(self, name: str) -> Target:
        """Return where the files of a network go."""
        return Target(self.folder, self.name or name, check_format(self.format), self.overwrite)


def export_config(
    path: Path, overrides: Sequence[str], load: str | None, request: ExportRequest, say: Callable[[str], Any]
) -> list[Path]:
    """Export the nets that `export_model` of a config names; return their metadata files.

    load: a file of weights.
    Raises UsageError and ConfigError for what cannot be asked for, WeightsError, and PpvsrError when a program cannot
    be made or is not equal to the network.
    """
    if load is None:
        raise UsageError("--config-file: give the weights to export by --load FILE")
    experiment = read_experiment(path, overrides, training=False, needed=FOR_EXPORT)
    if request.name and len(experiment.nets) > 1:
        raise UsageError("--model_name: the config exports several nets; leave it out")
    written = []
    for net in experiment.nets:
        use_device("cpu")
        call = _call_of(experiment, net.name)
        target = request.target(f"{experiment.tree['model']['name'].lower()}_{net.name}")
        target.check(steps=request.steps)
        network = call()
        load_weights(network, load)
        name = experiment.tree["model"][net.name]["name"]
        origin = Origin(name, call.options, None, _about_file(Path(load)))
        written.append(_write(network, target, origin, request, say))
    return written


def export_variant(name: str, weights: str | None, request: ExportRequest, say: Callable[[str], Any]) -> Path:
    """Export a variant; return its metadata file.

    weights: a row of the table or a file; None is the variant's default. Raises as `export_config` does.
    """
    variant = find_variant(name)
    if variant.arch is None:
        raise UsageError(f"--variant {name}: it is no network, there is nothing to export")
    target = request.target(variant.name)
    target.check(steps=request.steps)
    found = find_weights(variant, weights)
    use_device("cpu")
    net = load_network(variant, found)
    about = _about_row(found) if isinstance(found, Weights) else _about_file(found)
    return _write(net, target, Origin(str(variant.arch), variant.options, variant.name, about), request, say)


def _write(net: Layer, target: Target, origin: Origin, request: ExportRequest, say: Callable[[str], Any]) -> Path:
    from ppvsr.export.write import Options, write_clip, write_steps  # they import Paddle
    from ppvsr.system.machine import available_threads

    options = Options(request.auxiliary, request.portable, available_threads())
    if request.steps:
        return write_steps(net, target, origin, options, say)
    return write_clip(net, request.shape, target, origin, options, say)


def _call_of(experiment: Experiment, name: str) -> Call:
    assert experiment.task is not None
    call = experiment.task.options[name]
    assert isinstance(call, Call)
    return call


def _about_row(row: Weights) -> dict[str, str | None]:
    about = {"name": row.name, "licence": row.licence, "trained_on": row.trained_on}
    return {**about, "sha256": _sha256(fetch(row))}


def _about_file(path: Path) -> dict[str, str | None]:
    return {"name": path.name, "licence": None, "trained_on": None, "sha256": _sha256(path)}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
