"""Many films: where results go, what is skipped, and that one failure is not the end."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from ppvsr.enhance.batch import Input, Job, Outcome, exit_code, make_jobs, work_through
from ppvsr.enhance.video import Result
from ppvsr.errors import UsageError, VideoError


@dataclass
class Diary:
    """A listener that writes down what it hears."""

    lines: list

    def say(self, line):
        self.lines.append(line)

    def progress(self, done, total):
        self.lines.append((done, total))

    def begin(self, job, number, count):
        self.lines.append(f"begin {job.source} {number}/{count}")

    def end(self, outcome):
        self.lines.append(f"end {outcome.job.source}")

    def summary(self, outcomes, count):
        self.lines.append(f"summary {len(outcomes)}/{count}")


def plan(*sources, output="out", container="auto", **options):
    inputs = [Input(Path(source), Path(folder)) for source, folder in sources]
    return make_jobs(inputs, Path(output), ["PPMSVSR"], container, **options)


@pytest.fixture(autouse=True)
def room(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    return tmp_path


def test_results_are_mirrored_below_the_output():
    assert plan(("a.mp4", "."), ("in/s1/a.mp4", "s1")) == [
        Job(Path("a.mp4"), Path("out")),
        Job(Path("in/s1/a.mp4"), Path("out/s1")),
    ]


@pytest.mark.parametrize(
    ("there", "container", "skipped"),
    [
        ("a_PPMSVSR.mp4", "auto", True),
        ("a_PPMSVSR.mkv", "auto", True),
        ("a_PPMSVSR.mkv", "mkv", True),
        ("a_PPMSVSR.mkv", "mp4", False),
        ("a_PPMSVSR.webm", "auto", False),
        ("a_PPMSVSR", "png", True),
        ("a_PPMSVSR", "auto", False),
        ("a_Bicubic.mp4", "auto", False),
        (".a_PPMSVSR.mp4.part", "auto", False),
        ("a_PPMSVSR.mp4.ppvsr", "auto", False),
    ],
)
def test_films_whose_result_is_there_are_finished(there, container, skipped, room):
    path = room / "out" / there
    path.mkdir() if path.suffix in ("", ".ppvsr") else path.touch()
    (job,) = plan(("a.mp4", "."), container=container)
    assert job.finished == (Path("out") / there if skipped else None)
    (job,) = plan(("a.mp4", "."), container=container, overwrite=True)
    assert job.finished is None


@pytest.mark.parametrize(
    ("sources", "output", "message"),
    [
        (
            [("a/x.mp4", "."), ("b/x.mp4", ".")],
            "out",
            "a/x.mp4 and b/x.mp4: both results would be called out/x_PPMSVSR",
        ),
        (
            [("x.mp4", "."), ("x.mkv", ".")],
            "out",
            "x.mp4 and x.mkv: both results would be called out/x_PPMSVSR; rename",
        ),
        ([("x/%d.png", "."), ("x.mkv", ".")], "out", "x/%d.png and x.mkv: both results"),
        ([("x_PPMSVSR.mp4", "."), ("x.mkv", ".")], ".", "x.mkv: the result would be called like another input, x_PPM"),
        ([("x.mp4", "."), ("y.mp4", ".")], "big.mp4", "big.mp4: is the name of one film, but 2 are to be made; give a"),
        ([("x.mp4", "."), ("y.mp4", ".")], "big.avi", "big.avi: is the name of one film"),
        ([("x.mp4", "."), ("y.mp4", ".")], "file", "file: is no folder, but 2 films are to be made"),
    ],
)
def test_results_that_would_be_in_each_others_way_are_refused(sources, output, message, room):
    (room / "file").touch()
    with pytest.raises(UsageError, match=message):
        plan(*sources, output=output)


def test_one_film_in_two_spellings_is_made_once():
    assert len(plan(("a.mp4", "."), ("out/../a.mp4", "."))) == 1


def test_a_failure_does_not_stop_the_rest():
    jobs = [Job(Path(name), Path("out")) for name in "abcde"]
    jobs[3] = Job(Path("d"), Path("out"), finished=Path("out/d_PPMSVSR.mp4"))

    def enhance(job):
        if str(job.source) == "b":
            raise VideoError("b: is broken")
        if str(job.source) == "c":
            raise RuntimeError("a bug")
        assert str(job.source) != "d"
        return Result(Path("out") / job.source, 6, "torn" if str(job.source) == "e" else None)

    diary = Diary([])
    outcomes = work_through(jobs, enhance, lambda error: (f"oh: {error}", 1), diary)
    assert [(each.error, each.code, each.skipped) for each in outcomes] == [
        (None, 0, False),
        ("oh: b: is broken", 1, False),
        ("oh: a bug", 1, False),
        (None, 0, True),
        (None, 1, False),  # damaged
    ]
    assert diary.lines[:3] == ["begin a 1/5", "end a", "begin b 2/5"] and diary.lines[-1] == "summary 5/5"


def test_ctrl_c_stops_everything():
    jobs = [Job(Path(name), Path("out")) for name in "abc"]

    def enhance(job):
        if str(job.source) == "b":
            raise KeyboardInterrupt
        return Result(Path("x"), 1, None)

    diary = Diary([])
    outcomes = work_through(jobs, enhance, lambda error: ("stopped", 130), diary)
    assert [each.interrupted for each in outcomes] == [False, True] and exit_code(outcomes) == 130
    assert diary.lines[-2:] == ["end b", "summary 2/3"]


@pytest.mark.parametrize(
    ("codes", "code"), [([0, 0], 0), ([1], 1), ([2], 2), ([2, 2], 2), ([0, 2], 1), ([1, 2], 1), ([0, 1], 1), ([], 0)]
)
def test_exit_codes(codes, code):
    job = Job(Path("a"), Path("out"))
    assert exit_code([Outcome(job, error="x" if each else None, error_code=each) for each in codes]) == code


@pytest.mark.parametrize("container", ["mp4", "png"])
def test_a_result_that_was_being_made_again_is_not_finished(container, tmp_path):
    result = tmp_path / ("a_PPMSVSR" if container == "png" else "a_PPMSVSR.mp4")
    result.mkdir() if container == "png" else result.touch()
    work = tmp_path / f"{result.name}.ppvsr"
    work.mkdir()
    assert plan(("a.mkv", ""), output=tmp_path, container=container)[0].finished is None
    work.rmdir()
    assert plan(("a.mkv", ""), output=tmp_path, container=container)[0].finished == result
