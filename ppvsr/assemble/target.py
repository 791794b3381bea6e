"""Where a film goes, as what, and how large: decided and checked before any work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ppvsr.assemble.chain import scale_of
from ppvsr.assemble.order import Order
from ppvsr.enhance.finish import turned
from ppvsr.errors import UsageError
from ppvsr.video.containers import choose_container
from ppvsr.video.encoder import MUXERS, check_encoder
from ppvsr.video.frames import VideoInfo
from ppvsr.video.names import check_apart, check_target, target_path

CONTAINERS = ("auto", *MUXERS, "png")
OTHER_ENDINGS = {"avi", "flv", "m2ts", "m4v", "mpeg", "mpg", "mts", "ogv", "ts", "wmv"}  # not meant as folders


@dataclass(frozen=True)
class Target:
    """A film that shall be. size: width and height.  remarks: lines for the user."""

    path: Path
    container: str
    size: tuple[int, int]
    remarks: tuple[str, ...]

    @property
    def encoded(self) -> bool:
        """Whether frames become a film, not pictures."""
        return self.container != "png"

    @property
    def shape(self) -> str:
        """The size for people: 1280x720."""
        return "{}x{}".format(*self.size)


def choose_target(info: VideoInfo, order: Order, suffix: str = "") -> Target:
    """Return the target that an order's output and container mean for its source.

    suffix: what is added to its name.  Raises UsageError for one that cannot be.
    """
    container, reason = _container(info, order.output, order.container)
    path = target_path(info.path, order.output, [stage.variant.name for stage in order.stages], container)
    if suffix:
        ending = "" if container == "png" else path.suffix
        path = path.with_name(f"{path.name.removesuffix(ending)}{suffix}{ending}")
        check_apart(info.path, path)
    sides = info.width, info.height, scale_of(order.stages)
    size = order.finish.size(*sides, turned=turned(info))
    remarks = [*check_encoder(order.encoding, container, info, size), *order.finish.notes(*sides, turned=turned(info))]
    check_target(path, container, make_folder=False)
    return Target(path, container, size, tuple(filter(None, [reason, *remarks])))


def _container(info: VideoInfo, output: Path, wanted: str) -> tuple[str, str | None]:
    ending = output.suffix.lower().removeprefix(".")
    if wanted not in CONTAINERS:
        raise UsageError(f"container {wanted!r}: there are {', '.join(CONTAINERS)}")
    if ending in OTHER_ENDINGS and not output.is_dir():
        raise UsageError(
            f"{output}: films are written as {', '.join(MUXERS)}, not as {ending}; choose another --output"
        )
    if output.is_dir() or ending not in MUXERS:
        return choose_container(info, wanted)
    if wanted not in ("auto", ending):
        raise UsageError(f"--container {wanted} and --output {output} contradict each other; leave one of them out")
    return ending, None
