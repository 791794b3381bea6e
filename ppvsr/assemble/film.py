"""From a film's path and a variant's name to a finished film."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from ppvsr.assemble.making import Result, make_film
from ppvsr.assemble.order import Order
from ppvsr.assemble.previewing import make_preview
from ppvsr.assemble.reporting import Reporter, Silence
from ppvsr.assemble.stages import Backend, Cut, Engine, choose_stages
from ppvsr.enhance.finish import Finish
from ppvsr.video.encoder import Encoding
from ppvsr.video.moment import Moment
from ppvsr.video.scene_list import SceneOptions

__all__ = ["Reporter", "Result", "enhance_video"]

SEGMENT = 64  # frames: what an interruption costs at most, against the context that every segment costs more


def enhance_video(
    source: str | Path,
    target: str | Path,
    variant: str | Sequence[str] = "PPMSVSR",
    weights: str | Path | Mapping[str, str | Path] | None = None,
    *,
    num_frames: int | None = None,
    overlap: int | None = None,
    memory: int | None = None,
    streaming: bool = True,
    device: str | None = None,
    container: str = "auto",
    encoding: Encoding | None = None,
    rate: Fraction | None = None,
    start: Fraction | None = None,
    frames: int | None = None,
    scenes: SceneOptions | None = None,
    finish: Finish | None = None,
    segment: int = SEGMENT,
    overwrite: bool = False,
    preview: Moment | None = None,
    dry_run: bool = False,
    backend: Backend = "auto",
    threads: int | None = None,
    reporter: Reporter | None = None,
) -> Result:
    """Make a film four times larger; sound, subtitles, timing and tags are kept.

    source: a film, a folder of images, or a pattern of images.  target: a film's name, or a folder for it.
    variant: one network of `ppvsr.VARIANTS`, or several that run one after the other.  weights: a row of the table or a
    file, for all of them, or a mapping from variant to that.  num_frames, overlap: the windows.  memory: bytes that may
    be used.  streaming: whether what was computed of a frame is used for the next ones again, where the network can.
    device: "cpu", "gpu:1".  backend: auto, compiled (by Paddle Inference, prepared at first use) or dygraph.  threads:
    of the CPU.
    rate: of a folder of images.  start, frames: seconds to leave out, frames to take.
    container: auto, mp4, mkv, mov, webm or png.  encoding: an `ppvsr.video.encoder.Encoding`.
    scenes: where the film cuts, by default found out.  finish: another size than the network's, or a milder result.
    segment: frames that are finished together. What was finished before an interruption is not computed again when the
    same call is made; overwrite starts anew.  preview: only a short film and a picture that compare with bicubic.
    dry_run: only plan.  reporter: hears the lines that the command prints, and the progress.

    The target appears when it is complete; until then `<target>.ppvsr` holds what is finished. Raises UsageError for
    what cannot be done, before Paddle is imported; VideoError, WeightsError and PpvsrError for what fails later.
    """
    cut = Cut(num_frames, overlap, memory, streaming)
    order = Order(
        source=source,
        output=Path(target),
        stages=choose_stages(variant, weights, cut),
        cut=cut,
        engine=Engine(backend, threads),
        container=container,
        encoding=encoding or Encoding(),
        rate=rate,
        start=start,
        frames=frames,
        scenes=scenes or SceneOptions(),
        finish=finish or Finish(),
        segment=segment,
    )
    reporter = reporter or Silence()
    if preview is not None:
        return make_preview(order, preview, reporter, device=device, dry_run=dry_run)
    return make_film(order, reporter, device=device, overwrite=overwrite, dry_run=dry_run)
