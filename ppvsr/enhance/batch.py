"""Many videos: which ones the input names, what is there already, and what became of each."""

from __future__ import annotations

import glob
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ppvsr.errors import UsageError
from ppvsr.video.ffmpeg import SUFFIXES
from ppvsr.video.images import is_image, match_images, natural
from ppvsr.video.workdir import stem_of, work_path
from ppvsr.weights.zoo import ALIASES, VARIANTS

if TYPE_CHECKING:
    from ppvsr.enhance.video import Result


# ---- What people name as input, as films: folders, patterns and lists are looked through.

LIST = ".txt"
WORK = ".ppvsr"  # the ending of the folders in which films are worked on
RESULT = re.compile(rf".+(_({'|'.join([*VARIANTS, *ALIASES])}))+(_preview)?")  # what the names of results look like
WANTED = "a film, a folder of images or a pattern such as frames/%08d.png"
SHOWN = 5  # endings, in a note


@dataclass(frozen=True)
class Input:
    """One film. source: what `open_source` takes.  folder: where below the output its result belongs."""

    source: Path
    folder: Path = Path()


@dataclass
class Inputs:
    """What was found. films: in order.  notes: lines for the user.  alone: one film was named, and nothing else."""

    films: list[Input]
    notes: list[str]
    alone: bool


def find_inputs(names: Sequence[str], output: Path) -> Inputs:
    """Find the films that names stand for.

    A name is a film, a folder of images, a pattern of images (`frames/%08d.png`), or several films: a folder with films
    or folders of images in it, a pattern that the shell did not expand (`clips/**/*.mp4`), or a list (`@films.txt`, or
    any .txt). What exists by its name is taken as it stands. In folders and patterns, films are told by their endings;
    hidden files, `*.ppvsr/` and results of ours below `output` are left out.
    Raises UsageError for a name that stands for nothing; whether a file that was named is a film is not looked at.
    """
    search = _Search(output)
    films: list[Input] = []
    alone = len(names) == 1
    for name in names:
        if not name:
            raise UsageError(f"the input has no name; give {WANTED}")
        listed = _list_of(name)
        entries = [(name, Path(name))] if listed is None else _entries(listed)
        alone &= listed is None
        for place, path in entries:
            found, itself = search.films(place, path)
            films += found
            alone &= itself
    return Inputs(list(dict.fromkeys(films)), search.notes, alone)


@dataclass
class _Heap:
    """What lies in a folder, or what a pattern stands for, before it is decided what of it is meant.

    near: folders whose images were met directly, and how many.  far: those further below.  others: by their endings.
    """

    films: list[Path] = field(default_factory=list)
    near: Counter[Path] = field(default_factory=Counter)
    far: Counter[Path] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    results: int = 0


class _Search:
    """Looks through folders and patterns. output: where the results lie.  notes: lines for the user."""

    def __init__(self, output: Path) -> None:
        self.notes: list[str] = []
        self._output = output.resolve()

    def films(self, place: str, path: Path) -> tuple[list[Input], bool]:
        """Return the films that a path stands for, and whether it stands for just one; `place`: where it was named."""
        heap = _Heap()
        base, pattern = path, ""
        if path.is_dir():
            self._look_into(path, heap, heap.near)
        elif os.path.lexists(path):
            return [Input(path)], True
        else:
            base, pattern = _split(path)
            if not glob.has_magic(pattern):
                if not match_images(path):
                    raise UsageError(f"{place}: does not exist; give {WANTED}")
                return [Input(path)], True
            self._match(base, pattern, heap)
        films = list(_meant(heap, base, Path(pattern).name))
        if not films:
            what = "is a pattern that matches" if pattern else "holds"
            raise UsageError(f"{place}: {what} no films and no images, which are told by their endings; give {WANTED}")
        self._tell(place, heap)
        return films, not heap.films and list(heap.near) == [base]

    def _match(self, base: Path, pattern: str, heap: _Heap) -> None:
        """Sort what a pattern below `base` stands for."""
        ending = Path(pattern).suffix  # when it is spelt out, it is meant, whether we know it or not
        meant = "" if glob.has_magic(ending) else ending.lower()
        matches = {base / each for each in glob.glob(pattern, root_dir=base, recursive=True) if each}
        looked_into: set[Path] = set()
        for path in sorted(matches, key=lambda each: [natural(Path(part)) for part in each.parts]):
            ways = [each for each in path.parents if each.is_relative_to(base)]
            if looked_into.intersection(ways) or any(each.name.endswith(WORK) for each in ways):
                continue
            if path.is_dir():
                looked_into.add(path)
                if self._is_open(path, heap):
                    self._look_into(path, heap, heap.far)
            elif path.is_file():
                self._sort(path, heap, heap.near, meant)

    def _look_into(self, folder: Path, heap: _Heap, images: Counter[Path]) -> None:
        """Sort what lies in a folder and below; `images`: where those right in it are counted."""

        def unreadable(error: OSError) -> None:
            self.notes.append(f"{error.filename}: cannot be looked into: {error.strerror}")

        for root, folders, files in os.walk(folder, onerror=unreadable):
            here = Path(root)
            folders[:] = [each for each in _in_order(folders) if self._is_open(here / each, heap)]
            for name in _in_order(files):
                path = here / name
                if not name.startswith(".") and path.is_file():
                    self._sort(path, heap, images if here == folder else heap.far)

    def _sort(self, path: Path, heap: _Heap, images: Counter[Path], meant: str = "") -> None:
        ending = path.suffix.lower()
        if self._is_result(path):
            heap.results += 1
        elif is_image(path):
            images[path.parent] += 1
        elif ending in SUFFIXES or (ending and ending == meant):
            heap.films.append(path)
        else:
            heap.others[ending or "no ending"] += 1

    def _is_open(self, folder: Path, heap: _Heap) -> bool:
        """Whether a folder is to be looked into."""
        if self._is_result(folder):
            heap.results += 1
            return False
        return not folder.name.startswith(".") and not folder.name.endswith(WORK)

    def _is_result(self, path: Path) -> bool:
        """Whether a path below the output is called like a result of ours."""
        name = path.name if path.is_dir() else path.stem
        return bool(RESULT.fullmatch(name)) and self._output in path.resolve().parents

    def _tell(self, place: str, heap: _Heap) -> None:
        """Make notes of what is left out."""
        if heap.films and (images := heap.near.total() + heap.far.total()):
            self.notes.append(f"{place}: there are films; {_count(images, 'image')} left out")
        elif heap.near and heap.far:
            self.notes.append(f"{place}: {_count(heap.far.total(), 'image')} in folders below left out")
        if heap.others:
            endings = ", ".join(each for each, _ in heap.others.most_common(SHOWN))
            more = ", ..." if len(heap.others) > SHOWN else ""
            self.notes.append(f"{place}: {_count(heap.others.total(), 'other file')} left out ({endings}{more})")
        if heap.results:
            self.notes.append(f"{place}: {_count(heap.results, 'earlier result')} left out")


def _meant(heap: _Heap, base: Path, pattern: str) -> Iterator[Input]:
    """Films win; without any, images that were met directly; without those, the folders of images below."""
    if heap.films:
        yield from (Input(film, _below(film.parent, base)) for film in heap.films)
    elif heap.near:
        yield from (Input(folder / pattern, _below(folder.parent, base)) for folder in heap.near)
    else:
        yield from (Input(folder, _below(folder.parent, base)) for folder in heap.far)


def _list_of(name: str) -> Path | None:
    """Return the list that a name stands for, if it stands for one."""
    path = Path(name)
    if name.startswith("@") and not os.path.lexists(path):
        return Path(name[1:])
    return path if path.suffix.lower() == LIST and path.is_file() else None


def _entries(path: Path) -> list[tuple[str, Path]]:
    """Return what a list names, relative to its folder, each with its place: "films.txt, line 3: clip.mp4"."""
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="strict").split("\n")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not a list of films: it is no UTF-8 text") from error
    except OSError as error:
        raise UsageError(f"{path}: the list cannot be read: {error.strerror}") from error
    found = []
    for number, line in enumerate(map(str.strip, lines), 1):
        if line and not line.startswith("#"):
            place = f"{path}, line {number}: {path.parent / line}"
            if "\0" in line:
                raise UsageError(f"{place!r}: is no name of a file")
            found.append((place, path.parent / line))
    if not found:
        raise UsageError(f"{path}: names no film; write one in each line")
    return found


def _split(path: Path) -> tuple[Path, str]:
    """Return the part of a path that exists as it stands, and the rest."""
    base = next((each for each in path.parents if os.path.lexists(each)), Path())
    return base, str(path.relative_to(base))


def _below(folder: Path, base: Path) -> Path:
    """Return the way from `base` to a folder; for one that is not below it, none."""
    return folder.relative_to(base) if folder.is_relative_to(base) else Path()


def _in_order(names: list[str]) -> list[str]:
    return sorted(names, key=lambda name: natural(Path(name)))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


# ---- Many films, one after the other: what is to be made, what is there already, and what became of each.

AUTO = ("mp4", "mkv", "mov")  # what `--container auto` may become
APART = "rename one of them, or give each an --output of its own, one after the other"
FAILED = 1


@dataclass(frozen=True)
class Job:
    """One film to be made. target: as `enhance_video` takes it.  finished: the result, when it is there already."""

    source: Path
    target: Path
    finished: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a job. result, or error and its exit code, or neither when it was finished before.

    seconds: that it took.  interrupted: by Ctrl-C, so that no more jobs are begun.
    """

    job: Job
    seconds: float = 0.0
    result: Result | None = None
    error: str | None = None
    error_code: int = 0
    interrupted: bool = False

    @property
    def skipped(self) -> bool:
        """Whether there was nothing to do."""
        return self.result is None and self.error is None

    @property
    def planned(self) -> bool:
        """Whether it was only planned: no film is without frames."""
        return self.result is not None and not self.result.frames

    @property
    def code(self) -> int:
        """The exit code of a command that did only this: a damaged source counts as failed."""
        return FAILED if self.result and self.result.damage else self.error_code


class Listener(Protocol):
    """Somebody who wants to know how the jobs go on; a `Reporter` for each of them, too."""

    def say(self, line: str) -> None:
        """Hear a line about what will be done, or was done."""

    def progress(self, done: int, total: int | None) -> None:
        """Hear that so many frames, of so many if that is known, are finished."""

    def begin(self, job: Job, number: int, count: int) -> None:
        """Hear that the job with this number, from 1, of so many begins."""

    def end(self, outcome: Outcome) -> None:
        """Hear how the job that was begun has ended."""

    def summary(self, outcomes: Sequence[Outcome], count: int) -> None:
        """Hear how all that were begun, of so many, have ended."""


def make_jobs(
    inputs: Sequence[Input], output: Path, variants: Sequence[str], container: str, *, overwrite: bool = False
) -> list[Job]:
    """Say where every result goes, and which are there already (with `overwrite`, none).

    output: the folder for all.  variants, container: as for `enhance_video`.
    Raises UsageError when `output` is a film's name, when two results would have the same name, and when a result would
    have the name of a source.
    """
    if output.suffix.lower() in SUFFIXES and not output.is_dir():
        raise UsageError(f"{output}: is the name of one film, but {len(inputs)} are to be made; give a folder")
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output}: is no folder, but {len(inputs)} films are to be made; choose another --output")
    originals = {_name(_without_ending(each.source)): each.source for each in inputs}
    sources: dict[str, Path] = {}
    jobs = []
    for each in inputs:
        target = output / each.folder / "_".join([stem_of(each.source), *variants])
        first = sources.setdefault(_name(target), each.source)
        if other := originals.get(_name(target)):
            raise UsageError(f"{each.source}: the result would be called like another input, {other}; {APART}")
        if first is each.source:
            jobs.append(Job(first, target.parent, None if overwrite else _finished(target, container)))
        elif not _same(first, each.source):  # the same film may be named twice
            raise UsageError(f"{first} and {each.source}: both results would be called {target}; {APART}")
    return jobs


def work_through(
    jobs: Sequence[Job],
    enhance: Callable[[Job], Result],
    explain: Callable[[BaseException], tuple[str, int]],
    listener: Listener,
) -> list[Outcome]:
    """Do one job after the other; those that fail do not stop the rest, but Ctrl-C does. Return what became of each.

    enhance: does one.  explain: makes a line for the user and an exit code of an exception.
    """
    outcomes: list[Outcome] = []
    for number, job in enumerate(jobs, 1):
        listener.begin(job, number, len(jobs))
        outcomes.append(Outcome(job) if job.finished else _do(job, enhance, explain))
        listener.end(outcomes[-1])
        if outcomes[-1].interrupted:
            break
    listener.summary(outcomes, len(jobs))
    return outcomes


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """Return 0 when all is well, the code of the last when it was interrupted, the code of all when it is one, or 1."""
    if outcomes and outcomes[-1].interrupted:
        return outcomes[-1].code
    codes = {outcome.code for outcome in outcomes}
    return codes.pop() if len(codes) == 1 else int(any(codes))


def _do(job: Job, enhance: Callable[[Job], Result], explain: Callable[[BaseException], tuple[str, int]]) -> Outcome:
    began = time.perf_counter()
    outcome = Outcome(job)
    try:
        outcome = replace(outcome, result=enhance(job))
    except (Exception, KeyboardInterrupt) as error:  # whatever it is, the next film may be better
        line, code = explain(error)
        outcome = replace(outcome, error=line, error_code=code, interrupted=isinstance(error, KeyboardInterrupt))
    return replace(outcome, seconds=time.perf_counter() - began)


def _finished(target: Path, container: str) -> Path | None:
    """Return a result that is there, whatever container was chosen for it: films appear only when they are complete.

    One that was being made again is not finished: that work goes on.
    """
    if container == "png":
        return target if target.is_dir() and not work_path(target).exists() else None
    paths = [target.with_name(f"{target.name}.{each}") for each in (AUTO if container == "auto" else (container,))]
    return next((path for path in paths if path.is_file() and not work_path(path).exists()), None)


def _without_ending(source: Path) -> Path:
    return source if source.is_dir() else source.parent / source.stem


def _name(path: Path) -> str:
    return os.path.normcase(path.resolve())


def _same(first: Path, second: Path) -> bool:
    return first.resolve() == second.resolve()
