"""What `metrics.jsonl` tells, as a picture."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppvsr.whole import written_whole

Event = dict[str, Any]
Line = tuple[NDArray[np.float64], NDArray[np.float64]]  # steps, values
SMOOTH = 50  # the smooth line averages the last fiftieth of the points


def read_events(path: Path) -> Iterator[Event]:
    """Yield the events of a `metrics.jsonl` in the order of writing; torn or foreign lines are passed over.

    Every event has `kind` (train, validate, skip, save) and `step`. Raises OSError when the file cannot be read.
    """
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                event = json.loads(line)
            except ValueError:  # killed, or the disk was full, in the middle of a line
                continue
            if isinstance(event, dict) and isinstance(event.get("step"), int) and "kind" in event:
                yield event


def history(events: Iterable[Event]) -> list[Event]:
    """Return the events of one straight run: what a resumed run did again replaces what came after its checkpoint."""
    straight: list[Event] = []
    for event in events:
        step = event["step"]
        while straight and straight[-1]["step"] > step:
            straight.pop()
        behind = len(straight)
        while behind and straight[behind - 1]["step"] == step:
            behind -= 1
        straight[behind:] = [each for each in straight[behind:] if each["kind"] != event["kind"]]
        straight.append(event)
    return straight


def draw_curves(metrics: Path, picture: Path) -> bool:
    """Draw losses, validation metrics and learning rate over the steps; return whether there was anything to draw.

    metrics: a `metrics.jsonl`.  picture: the PNG, replaced when it is complete.
    Raises ImportError without matplotlib, OSError when a file cannot be read or written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    events = history(read_events(metrics))
    losses = _lines(events, "train", "losses")
    scores = _lines(events, "validate", "metrics")
    rates = _lines([{**each, "rates": {"lr": each.get("lr")}} for each in events], "train", "rates")
    charts = [(losses, True)] if losses else []
    charts += [({name: line}, False) for name, line in {**scores, **rates}.items()]
    if not charts:
        return False
    figure = Figure(figsize=(9, 1 + 2.5 * len(charts)), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (lines, is_loss) in zip(
        figure.subplots(len(charts), sharex=True, squeeze=False)[:, 0], charts, strict=True
    ):
        _chart(axes, lines, is_loss)
    axes.set_xlabel("step")
    file = io.BytesIO()
    figure.savefig(file, format="png")
    with written_whole(picture) as unfinished:
        unfinished.write_bytes(file.getvalue())
    return True


def smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means of the last fiftieth of the points, at each point; what is not finite counts for nothing."""
    window = max(1, len(values) // SMOOTH)
    valid = np.isfinite(values)
    sums, counts = np.cumsum(np.where(valid, values, 0.0)), np.cumsum(valid)
    sums[window:], counts[window:] = sums[window:] - sums[:-window], counts[window:] - counts[:-window]
    return np.divide(sums, counts, out=np.full(len(values), np.nan), where=counts > 0)


def _chart(axes: Any, lines: dict[str, Line], is_loss: bool) -> None:
    for index, (name, (steps, values)) in enumerate(lines.items()):
        color = f"C{index}"
        if is_loss:
            values = np.where(values > 0, values, np.nan)
            axes.plot(steps, values, color=color, alpha=0.25, linewidth=0.8)
            axes.plot(steps, smooth(values), color=color, label=name)
        else:
            axes.plot(steps, values, color=color, label=name, marker="." if len(steps) < 100 else "")
    if is_loss and any(np.isfinite(values[values > 0]).any() for _, values in lines.values()):
        axes.set_yscale("log")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper right" if is_loss else "best")  # "best" is slow with many points


def _lines(events: list[Event], kind: str, group: str) -> dict[str, Line]:
    """Return {name: (steps, values)} of what events of a kind hold in a group; null is what was not finite."""
    points: dict[str, list[tuple[float, float]]] = {}
    for event in events:
        if event["kind"] == kind:
            for name, value in (event.get(group) or {}).items():
                number = value if isinstance(value, (int, float)) else math.nan
                points.setdefault(name, []).append((event["step"], number))
    arrays = {name: np.array(pairs, np.float64).T for name, pairs in points.items()}
    return {name: (array[0], array[1]) for name, array in arrays.items()}
