"""Where results go and what they are called."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from ppvsr.errors import UsageError
from ppvsr.video.encoder import MUXERS

# Characters of a name that leave room for more, whatever the script.
LONGEST = 60
# What file systems take for a name.
MOST_BYTES = 255
WORK = ".ppvsr"


def target_path(source: Path, output: Path, variants: list[str], container: str) -> Path:
    """The result's path.

    output: with the ending of a film it is the result itself; else a folder, in which the result is called after the
    source and the variants of networks that made it: "Get.Smart.1x01_PPMSVSR.mp4".  A folder of pictures (container
    "png") gets no ending.  Raises UsageError when the result would replace its source.
    """
    if output.suffix.lower().removeprefix(".") in MUXERS and container != "png" and not output.is_dir():
        target = output
    else:
        stem = stem_of(source)
        ending = "" if container == "png" else f".{container}"
        target = output / ("_".join([stem, *variants]) + ending)
    check_apart(source, target)
    return target


def check_apart(source: Path, target: Path) -> None:
    """Raise UsageError when a result would replace its source."""
    if source.resolve() == target.resolve() or target.resolve() in source.resolve().parents:
        raise UsageError(f"{target}: input and output are the same; choose another --output")


def stem_of(source: Path) -> str:
    """What to call a result after: the film, the folder of pictures, or the folder a pattern looks into."""
    if source.is_dir():
        return source.resolve().name
    if source.exists() or not set("%*?[") & set(source.name):
        return source.stem
    return source.resolve().parent.name


def partial_path(target: Path) -> Path:
    """A hidden name beside the target for what is not complete yet."""
    return target.with_name(f".{target.name[:LONGEST]}.{os.getpid()}.part")


def work_path(target: Path) -> Path:
    """The folder in which the work for a target goes on: what is finished of it, to go on with."""
    name = target.name
    if len(os.fsencode(name)) + len(WORK) > MOST_BYTES:
        name = f"{name[:LONGEST]}.{hashlib.sha256(os.fsencode(name)).hexdigest()[:12]}"
    return target.with_name(name + WORK)


def check_target(target: Path, container: str, *, make_folder: bool = True) -> None:
    """See that a result can appear at `target`; with `make_folder`, make the folder for it. Raises UsageError."""
    if container == "png":
        if target.exists() and not (
            target.is_dir() and all(each.is_file() and each.suffix == ".png" for each in target.iterdir())
        ):
            raise UsageError(f"{target}: exists and is not a folder of PNG only; choose another --output")
    elif target.is_dir():
        raise UsageError(f"{target}: is a folder, but a film is to be written there; choose another --output")
    folder = target.parent
    try:
        if make_folder:
            folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=next(each for each in (folder, *folder.parents) if each.exists())):
            pass
    except OSError as error:
        raise UsageError(f"{target}: cannot be written: {error.strerror}; choose another --output") from error
