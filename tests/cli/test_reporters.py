"""Who hears what: lines for people, a log, and events for programs."""

import io
import json
import re
from pathlib import Path

import pytest

from ppvsr.cli.report import Events, Lines, Log, one_line, table, tally
from ppvsr.enhance.batch import Job, Outcome
from ppvsr.enhance.video import Result
from ppvsr.errors import UsageError


def job(name="a.mp4", finished=None):
    return Job(Path(name), Path("out"), finished and Path(finished))


OUTCOMES = [
    Outcome(job("in/第一集.mkv"), 12.34, Result(Path("out/第一集_X.mkv"), 48, None)),
    Outcome(job("torn.mp4"), 0.5, Result(Path("out/torn_X.mp4"), 7, "2 packets lost", {"again": 3, "bicubic": 1})),
    Outcome(job("b.mp4", "out/b_X.mp4")),
    Outcome(job("two\nlines.mp4"), 0.01, error="two\nlines.mp4: is no film", error_code=1),
    Outcome(job("c.mp4"), 1.0, Result(Path("out/c_X.mp4"), 0, None)),
    Outcome(job("d.mp4"), 1.0, error="interrupted; go on", error_code=130, interrupted=True),
]


def test_the_table_has_a_line_for_each_film_and_its_columns_are_in_line():
    assert list(table(OUTCOMES, 9)) == [
        "file            frames  seconds  result",
        "in/第一集.mkv       48     12.3  out/第一集_X.mkv",
        "torn.mp4             7      0.5  out/torn_X.mp4 (damaged: 2 packets lost)",
        "b.mp4                            skipped: out/b_X.mp4 exists",
        r"two\nlines.mp4              0.0  failed: is no film",
        "c.mp4                            planned: out/c_X.mp4",
        "d.mp4                       1.0  interrupted; go on",
        "9 films: 2 done, 1 damaged, 1 planned, 1 skipped, 1 failed, 4 left",
    ]


def test_every_film_is_counted_once():
    numbers = tally(OUTCOMES, 9)
    assert sum(numbers.values()) - numbers["damaged"] == 9


def test_control_characters_are_spelt_out():
    assert one_line("a\n\x1b[2J\u2028é第\udcff") == r"a\n\x1b[2J\u2028é第" + "\udcff"


def test_one_film_needs_neither_number_nor_table():
    said, complained = [], []
    lines = Lines(said.append, complained.append)
    lines.begin(job(), 1, 1)
    lines.end(OUTCOMES[1])
    lines.summary(OUTCOMES[1:2], 1)
    assert said == [] and complained == [
        "torn.mp4: the source is damaged: 2 packets lost",
        f"torn.mp4: {OUTCOMES[1].result.remark}",
    ]


def events(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_progress_is_told_twice_a_second_and_at_the_end():
    clock, stream = Clock(), io.StringIO()
    told = Events(stream, clock=clock)
    told.begin(job(), 1, 2)
    for done in range(10):
        told.progress(done, None)
        clock.now += 0.125
    told.end(OUTCOMES[0])
    told.begin(job(), 2, 2)
    told.progress(0, 3)
    told.progress(3, 3)
    told.say("after")
    told.end(OUTCOMES[2])
    seen = [(each["event"], each.get("done")) for each in events(stream)]
    assert seen == [
        ("start", None),
        ("progress", 0),
        ("progress", 4),
        ("progress", 8),
        ("progress", 9),
        ("done", None),
        ("start", None),
        ("progress", 0),
        ("progress", 3),
        ("line", None),
        ("skipped", None),
    ]


def test_events_hold_what_the_documentation_says():
    stream = io.StringIO()
    told = Events(stream)
    told.say("plan: windows of 10")
    for each in OUTCOMES:
        told.end(each)
    told.failed("wrong use", 2)
    told.summary(OUTCOMES, 9)
    assert events(stream) == [
        {"event": "plan", "version": 1, "text": "windows of 10"},
        {
            "event": "done",
            "input": "in/第一集.mkv",
            "output": "out/第一集_X.mkv",
            "frames": 48,
            "seconds": 12.34,
            "damage": None,
            "computed_again": 0,
            "bicubic": 0,
        },
        {
            "event": "done",
            "input": "torn.mp4",
            "output": "out/torn_X.mp4",
            "frames": 7,
            "seconds": 0.5,
            "damage": "2 packets lost",
            "computed_again": 3,
            "bicubic": 1,
        },
        {"event": "skipped", "input": "b.mp4", "output": "out/b_X.mp4"},
        {"event": "error", "input": "two\nlines.mp4", "message": "two\nlines.mp4: is no film", "code": 1},
        {"event": "planned", "input": "c.mp4", "output": "out/c_X.mp4"},
        {"event": "error", "input": "d.mp4", "message": "interrupted; go on", "code": 130},
        {"event": "error", "input": None, "message": "wrong use", "code": 2},
        {"event": "summary", "done": 2, "damaged": 1, "planned": 1, "skipped": 1, "failed": 1, "left": 4},
    ]


def test_quiet_events_are_only_those_of_films():
    stream = io.StringIO()
    told = Events(stream, quiet=True)
    told.begin(job(), 1, 1)
    told.say("a line")
    told.say("plan: all")
    told.progress(1, 1)
    told.end(OUTCOMES[0])
    assert [each["event"] for each in events(stream)] == ["start", "done"]


class Closed(io.StringIO):
    def write(self, text):
        raise BrokenPipeError


@pytest.mark.parametrize("stream", [None, Closed()])
def test_nobody_listening_is_no_error(stream):
    Events(stream).say("hello")


def test_a_log_is_appended_line_by_line_with_the_time(tmp_path):
    path = tmp_path / "films.log"
    path.write_text("before\n")
    with Log(path) as log:
        log.say("two\nlines \udcff")
        log.end(OUTCOMES[3])
        text = path.read_text()  # before it is closed
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    assert re.fullmatch(rf"before\n{stamp} two\\nlines \\udcff\n{stamp} error: two\\nlines.mp4: is no film\n", text)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no/folder.log", "cannot be written: No such file or directory; choose another name"),
        (".", "cannot be written: Is a directory"),
        ("film.mp4", "exists and is no text; choose another name"),
    ],
)
def test_a_log_that_cannot_be_written_is_refused(name, message, tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"\0\0\0\x20ftypisom")
    with pytest.raises(UsageError, match=rf"^--log .*: {message}"):
        Log(tmp_path / name)
    assert (tmp_path / "film.mp4").stat().st_size == 12
