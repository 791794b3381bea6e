"""What a run tells: the console, `log.txt`, `metrics.jsonl`, TensorBoard, pictures and curves."""

from __future__ import annotations

import io
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppvsr.data.clips import write_picture
from ppvsr.system.files import written_whole
from ppvsr.system.machine import device_peak, resident_peak
from ppvsr.system.ranks import Ranks

# ---- TensorBoard's event files.

FLUSH_SECONDS = 30.0  # a flush waits for the disk


class Board:
    """One event file in `folder`. Raises ImportError without tensorboardX, OSError when the disk refuses.

    tensorboardX's SummaryWriter writes on a thread; when the disk is full that thread dies, and training would wait
    for it for ever. So its records are written here, in the open.

    first: events of an earlier session from this step on disappear from the charts.  time: of the events, in seconds.
    """

    def __init__(self, folder: Path, *, first: int, time: float) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        self._event = Event
        self._writer = EventsWriter(str(folder / "events"), f".{os.getpid()}")
        self._flushed = time
        self._writer.write_event(Event(step=first, wall_time=time, session_log=SessionLog(status=SessionLog.START)))

    def scalars(self, step: int, values: Mapping[str, float], *, time: float) -> None:
        """Add values by name, such as `train/loss`."""
        from tensorboardX.summary import scalar

        for name, value in values.items():
            self._writer.write_event(self._event(step=step, wall_time=time, summary=scalar(name, value)))
        if time - self._flushed >= FLUSH_SECONDS:
            self._flushed = time
            self._writer.flush()

    def pictures(self, step: int, pictures: Mapping[str, NDArray[np.uint8]], *, time: float) -> None:
        """Add pictures, (h, w, 3) RGB uint8, by name."""
        from tensorboardX.summary import image

        for name, picture in pictures.items():
            summary = image(name, picture, dataformats="HWC")
            self._writer.write_event(self._event(step=step, wall_time=time, summary=summary))

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


# ---- What `metrics.jsonl` tells, as a picture.

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


# ---- What a run tells: the console, `log.txt`, `metrics.jsonl`, TensorBoard, pictures and curves.
# A journal never ends a training: what cannot be written is said once on the console and left out.

MB = 1 << 20


def peak_memory() -> dict[str, int]:
    """The highest use of memory so far, in bytes by name: the GPU's if there is one, else the process's own."""
    if device := device_peak():
        return {"max_mem_reserved": device_peak(reserved=True), "max_mem_allocated": device}
    return {"max_rss": resident_peak()}


class Journal(AbstractContextManager["Journal"]):
    """The journal of one run; closing it ends the event file. Nothing is kept open otherwise.

    folder: of the run, must exist.  first, total: the first step of this session, and the last of the run.
    iters_per_epoch: given, lines count epochs, as PaddleGAN's do.  ranks: rank 0 writes everything; the others write
    only warnings, to `log.txt.rankN`.  tensorboard: write event files.  now: the time, in seconds.
    memory: what to show at the end of a line, in bytes by name.
    """

    def __init__(
        self,
        folder: Path,
        *,
        total: int,
        first: int = 1,
        iters_per_epoch: int | None = None,
        ranks: Ranks | None = None,
        tensorboard: bool = True,
        now: Callable[[], float] = time.time,
        memory: Callable[[], Mapping[str, int]] = peak_memory,
    ) -> None:
        self.now = now
        self._folder, self._total, self._first, self._epoch = folder, total, first, iters_per_epoch
        self._ranks = ranks or Ranks()
        self._memory = memory
        self._log = folder / ("log.txt" if self._ranks.main else f"log.txt.rank{self._ranks.rank}")
        self._board: Board | None = None
        self._wants_board = tensorboard and self._ranks.main
        self._told: set[str] = set()
        self._steps, self._clips, self._seconds, self._waited = 0, 0, 0.0, 0.0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the event file; a later event would open another one."""
        board, self._board = self._board, None
        if board is not None:
            with suppress(OSError):
                board.close()

    def say(self, text: str) -> None:
        """Put a line on the console and into `log.txt`; rank 0 only."""
        if self._ranks.main:
            self._line("INFO", text)

    def warn(self, text: str) -> None:
        """The same for what should not be; the other ranks put it into their own files."""
        self._line("WARNING", text)

    def count(self, *, clips: int, seconds: float, waited: float) -> None:
        """Note what a step took: seconds in all, and those of them spent waiting for its data."""
        self._steps, self._clips = self._steps + 1, self._clips + clips
        self._seconds, self._waited = self._seconds + seconds, self._waited + waited

    def trained(self, step: int, *, rate: float, losses: Mapping[str, float], norm: float) -> None:
        """Tell the losses of a step, and the costs since the last time: means over steps; images are clips."""
        steps, self._steps = max(self._steps, 1), 0
        costs = {"batch_cost": self._seconds / steps, "reader_cost": self._waited / steps}
        speed = self._clips / self._seconds if self._seconds > 0 else 0.0
        self._clips, self._seconds, self._waited = 0, 0.0, 0.0
        if not self._ranks.main:
            return
        memory = dict(self._memory())
        parts = [self._place(step), f"lr: {rate:.3e}", *(f"{name}: {value:.3f}" for name, value in losses.items())]
        parts += [f"{name}: {seconds:.5f} sec" for name, seconds in costs.items()]
        left = timedelta(seconds=int(costs["batch_cost"] * max(self._total - step, 0)))
        parts += [f"ips: {speed:.5f} images/s", f"eta: {left}"]
        parts += [f"{name}: {size // MB} MB" for name, size in memory.items()]
        self.say(" ".join(parts))
        self._event("train", step, losses=losses, lr=rate, norm=norm, **costs, ips=speed, memory=memory)
        self._chart(step, "train", {**losses, "lr": rate, "norm": norm, **costs, "ips": speed})

    def validated(
        self,
        step: int,
        metrics: Mapping[str, float],
        *,
        seconds: float,
        places: Mapping[str, tuple[str, int]] | None = None,
    ) -> None:
        """Tell what a validation found, and renew `curves.png`.

        places: clip and frame, from 0, of metrics that are those of one frame.
        """
        where = {name: {"clip": clip, "frame": frame} for name, (clip, frame) in (places or {}).items()}
        for name, value in metrics.items():
            place = f" (frame {where[name]['frame']} of {where[name]['clip']})" if name in where else ""
            self.say(f"Metric {name}: {value:.4f}{place}")
        self._event("validate", step, metrics=metrics, seconds=seconds, **({"places": where} if where else {}))
        self._chart(step, "validate", metrics)
        self.draw()

    def skipped(self, step: int, keys: Sequence[str], *, streak: int) -> None:
        """Warn of a step that changed nothing, because its loss or gradient was not finite."""
        what = f"step {step} is left out: loss or gradient not finite ({streak} in a row); clips {', '.join(keys)}"
        self.warn(what)
        self._event("skip", step, keys=list(keys), streak=streak)

    def saved(self, step: int, file: Path) -> None:
        """Tell that a file is complete."""
        self.say(f"Saved {file}")
        self._event("save", step, file=file.name)

    def pictures(self, step: int, pictures: Mapping[str, NDArray[np.uint8]]) -> None:
        """Write pictures, (h, w, 3) RGB uint8, as `visual_train/iter{N}_{name}.png`; rank 0 only."""
        if not self._ranks.main:
            return
        for name, picture in pictures.items():
            file = self._folder / "visual_train" / f"iter{step}_{name}.png"
            self._try(file, partial(write_picture, file, picture))
        self._on_board(lambda board: board.pictures(step, _under("train", pictures), time=self.now()))

    def draw(self) -> None:
        """Renew `curves.png` from `metrics.jsonl`; rank 0 only."""
        if not self._ranks.main:
            return
        picture = self._folder / "curves.png"
        try:
            self._try(picture, lambda: draw_curves(self._folder / "metrics.jsonl", picture))
        except ImportError:
            self._once("curves.png needs matplotlib, which is not installed: pip install matplotlib")

    def _place(self, step: int) -> str:
        if self._epoch is None:
            return f"Iter: {step}/{self._total}"
        epoch, inner = divmod(step - 1, self._epoch)
        return f"Epoch: {epoch + 1}/{math.ceil(self._total / self._epoch)}, iter: {inner + 1}/{self._epoch}"

    def _line(self, level: str, text: str) -> None:
        line = f"[{time.strftime('%m/%d %H:%M:%S', time.localtime(self.now()))}] ppvsr {level}: {text}"
        if self._ranks.main:
            _print(line)
        self._try(self._log, lambda: _append(self._log, line))

    def _event(self, kind: str, step: int, **values: Any) -> None:
        if self._ranks.main:
            event = {"kind": kind, "step": step, "time": round(self.now(), 3), **values}
            file = self._folder / "metrics.jsonl"
            self._try(file, lambda: _append(file, json.dumps(_plain(event), ensure_ascii=False)))

    def _chart(self, step: int, group: str, values: Mapping[str, float]) -> None:
        self._on_board(lambda board: board.scalars(step, _under(group, values), time=self.now()))

    def _on_board(self, use: Callable[[Board], None]) -> None:
        if not self._wants_board:
            return
        try:
            if self._board is None:
                self._board = Board(self._folder, first=self._first, time=self.now())
            use(self._board)
        except (ImportError, TypeError):  # TypeError: protobuf refuses tensorboardX's generated code
            self._wants_board = False
            self._once("no TensorBoard files: tensorboardX is not installed, or broken: pip install tensorboardX")
        except OSError as error:
            self._wants_board = False  # the record is torn; readers stop there
            self._once(f"no more TensorBoard files: {error.strerror or error}")

    def _try(self, file: Path, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            self._once(f"{file}: cannot be written: {error.strerror or error}; training goes on without it")

    def _once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)  # before the line: the log file may be what cannot be written
            self._line("WARNING", text)


def _print(line: str) -> None:
    with suppress(OSError, ValueError, AttributeError, RuntimeError):  # full, closed, absent, or busy (in a signal)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _append(path: Path, line: str) -> None:
    """Add one line; what a killed run left of its last one stays a line of its own."""
    with path.open("ab+") as file:
        if file.tell() and file.seek(-1, 2) >= 0 and file.read(1) != b"\n":
            line = f"\n{line}"
        file.write(f"{line}\n".encode(errors="backslashreplace"))


def _under(group: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{group}/{name}": value for name, value in values.items()}


def _plain(value: Any) -> Any:
    """Return what JSON knows: null for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
