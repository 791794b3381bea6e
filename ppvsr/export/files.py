"""The shape of the clips that an exported network takes, as people write it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ppvsr.errors import UsageError

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
