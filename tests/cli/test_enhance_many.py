"""Many films with one command: trees, patterns, lists, what is skipped, what fails, and what programs hear."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ppvsr.cli.enhance import main
from tests.films import make_film, streams

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "applications" / "video-enhance.py"


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """The bytes of a small film."""
    return make_film(tmp_path_factory.mktemp("film") / "film.mp4").read_bytes()


@pytest.fixture
def shows(film, tmp_path, monkeypatch):
    """A tree of three films, seen from the folder that it lies in."""
    for name in ("shows/a.mp4", "shows/s1/第一集 'x'.mp4", "shows/s1.mp4/two\nlines.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(film)
    monkeypatch.chdir(tmp_path)
    return tmp_path


RESULTS = ["a_Bicubic.mp4", "s1.mp4/two\nlines_Bicubic.mp4", "s1/第一集 'x'_Bicubic.mp4"]


def run(*arguments):
    return main([*map(str, arguments), "--process_order", "Bicubic"])


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def events(text):
    return [json.loads(line) for line in text.splitlines()]


def test_a_tree_is_mirrored(shows, capsys):
    assert run("--input", "shows", "--output", "out") == 0
    assert files(shows / "out") == RESULTS
    assert streams(shows / "out" / RESULTS[1])[0] == ("video", "h264", 192, 6)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if " of 3: " in line] == [
        "1 of 3: shows/a.mp4",
        "2 of 3: shows/s1/第一集 'x'.mp4",
        r"3 of 3: shows/s1.mp4/two\nlines.mp4",
    ]
    assert lines[-1] == "3 films: 3 done" and len(lines[-5:]) == 5
    assert [line.split()[0] for line in lines[-5:-1]] == [
        "file",
        "shows/a.mp4",
        "shows/s1/第一集",
        r"shows/s1.mp4/two\nlines.mp4",
    ]


def test_what_is_finished_is_skipped_unless_it_is_to_be_overwritten(shows, capsys):
    (shows / "out").mkdir()
    precious = shows / "out" / RESULTS[0]
    precious.write_text("precious")
    assert run("--input", "shows", "--output", "out") == 0
    assert files(shows / "out") == RESULTS and precious.read_text() == "precious"
    assert (
        "out/a_Bicubic.mp4: exists, so shows/a.mp4 is skipped (--overwrite makes it again)" in capsys.readouterr().out
    )
    assert run("--input", "shows", "--output", "out") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "3 films: 3 skipped"
    assert run("--input", "shows/*.mp4", "--output", "out", "--overwrite") == 0
    assert streams(precious)[0] == ("video", "h264", 192, 6)


def test_one_bad_film_among_three_does_not_stop_the_rest(shows, capsys):
    (shows / "shows" / "b.mp4").write_text("Dear diary")
    (shows / "list.txt").write_text("shows/b.mp4\nshows/a.mp4\n# shows/s1\n")
    assert run("--input", "@list.txt", "--output", "out") == 1
    assert files(shows / "out") == RESULTS[:1]
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "2 films: 1 done, 1 failed"
    (line,) = [line for line in err.splitlines() if line.startswith("ppvsr-enhance: ")]
    assert line.startswith("ppvsr-enhance: shows/b.mp4: is not a film that FFmpeg can read")


def test_a_damaged_film_is_done_and_the_exit_code_is_1(shows, capsys):
    whole = make_film(shows / "whole.mkv", 100)
    (shows / "cut.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    assert run("--input", "shows/a.mp4", "cut.mkv", "--output", "out") == 1
    out, err = capsys.readouterr()
    assert files(shows / "out") == ["a_Bicubic.mp4", "cut_Bicubic.mp4"]
    assert out.splitlines()[-1] == "2 films: 2 done, 1 damaged" and "(damaged: " in out
    assert "ppvsr-enhance: cut.mkv: the source is damaged: " in err


def test_a_bug_in_one_film_is_one_line(shows, capsys, monkeypatch):
    from ppvsr.enhance import video

    honest = video.enhance_video

    def broken(source, *args, **kwargs):
        if source.name == "a.mp4":
            raise RuntimeError("first\nsecond")
        return honest(source, *args, **kwargs)

    monkeypatch.setattr(video, "enhance_video", broken)
    assert run("--input", "shows", "--output", "out", "--quiet") == 1
    assert capsys.readouterr().err == "ppvsr-enhance: unexpected RuntimeError: first (PPVSR_DEBUG=1 shows where)\n"
    assert files(shows / "out") == RESULTS[1:]


WRONG = {
    "a typo": (["--input", "shows", "typo.mp4"], "typo.mp4: does not exist"),
    "nothing matches": (["--input", "shows/**/*.mkv"], "matches no films"),
    "equal names": (["--input", "shows/a.mp4", "a.mp4"], "shows/a.mp4 and a.mp4: both results would be called"),
    "a film's name for many": (["--input", "shows", "--output", "big.mkv"], "is the name of one film, but 3"),
    "no such network": (["--input", "shows", "--weights", "bi"], "Bicubic has no weights"),
    "no such log": (["--input", "shows", "--log", "no/films.log"], "--log no/films.log: cannot be written"),
    "two sizes": (["--input", "shows", "--scale", "2", "--height", "64"], "--scale 2 and --height 64 exclude"),
    "two kinds of scenes": (["--input", "shows", "--no-scenes", "--scenes", "x.csv"], "--scenes x.csv and --no-scenes"),
    "no blend": (["--input", "shows", "--blend", "much"], "'much' is not a number; write it like 2 or 0.7"),
    "too much": (["--input", "shows", "--blend", "2"], "--blend 2: must lie between 0"),
    "no threshold": (["--input", "shows", "--scene-threshold", "0"], "--scene-threshold 0: must be above 0"),
    "no segment": (["--input", "shows", "--segment", "0"], "'0' is not a whole number of 1 or more"),
    "no preview": (["--input", "shows", "--preview", "noon"], "'noon' is not a part of a film"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_is_told_before_any_work(case, shows, film, capsys):
    (shows / "a.mp4").write_bytes(film)
    before = files(shows)
    arguments, message = WRONG[case]
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("ppvsr-enhance: ") and len(err.splitlines()) == 1 and message in err
    assert files(shows) == before


def test_a_dry_run_of_many_writes_nothing(shows, capsys):
    before = files(shows)
    assert run("--input", "shows", "--output", "out", "--dry-run") == 0
    out = capsys.readouterr().out
    assert files(shows) == before
    assert out.count("plan: ") == 3 and "planned: out/a_Bicubic.mp4" in out and out.endswith("3 films: 3 planned\n")


def test_programs_hear_one_object_a_line(shows, capsys):
    (shows / "shows" / "b.mp4").write_text("Dear diary")
    (shows / "out" / "s1").mkdir(parents=True)
    (shows / "out" / RESULTS[2]).touch()
    assert run("--input", "shows", "--output", "out", "--json") == 1
    out, err = capsys.readouterr()
    told = events(out)
    assert told[0]["version"] == 1 and "version" not in told[1]
    ends = {"done", "skipped", "error"}
    seen = [(each["event"], each["input"]) for each in told if each["event"] in ends | {"start"}]
    assert seen == [
        ("start", "shows/a.mp4"),
        ("done", "shows/a.mp4"),
        ("start", "shows/b.mp4"),
        ("error", "shows/b.mp4"),
        ("start", "shows/s1/第一集 'x'.mp4"),
        ("skipped", "shows/s1/第一集 'x'.mp4"),
        ("start", "shows/s1.mp4/two\nlines.mp4"),
        ("done", "shows/s1.mp4/two\nlines.mp4"),
    ]
    assert told[-1] == {"event": "summary", "done": 2, "damaged": 0, "planned": 0, "skipped": 1, "failed": 1, "left": 0}
    first = told[: [each["event"] for each in told].index("done") + 1]
    assert [each["event"] for each in first if each["event"] != "line"] == [
        "start",
        "plan",
        "progress",
        "progress",
        "done",
    ]
    assert [(each["done"], each["total"]) for each in first if each["event"] == "progress"] == [(0, 6), (6, 6)]
    assert first[-1]["output"] == "out/a_Bicubic.mp4" and first[-1]["frames"] == 6 and first[-1]["damage"] is None
    assert err.splitlines() == [f"ppvsr-enhance: {told[-4]['message']}"] if told[-4]["event"] == "error" else True


def test_programs_hear_of_wrong_use(shows, capsys):
    assert run("--input", "typo.mp4", "--json") == 2
    out, err = capsys.readouterr()
    (told,) = events(out)
    assert (told["event"], told["version"], told["input"], told["code"]) == ("error", 1, None, 2)
    assert err == f"ppvsr-enhance: {told['message']}\n"


def test_what_others_print_is_no_event(shows, capsys, monkeypatch):
    from ppvsr.enhance import video

    honest = video.enhance_video

    def chatty(*args, **kwargs):
        print("compiling ...")
        return honest(*args, **kwargs)

    monkeypatch.setattr(video, "enhance_video", chatty)
    assert run("--input", "shows/a.mp4", "--output", "out", "--json", "--quiet") == 0
    out, err = capsys.readouterr()
    assert [each["event"] for each in events(out)] == ["start", "done", "summary"]
    assert err == "compiling ...\n"


def test_quiet_says_nothing_but_errors(shows, capfd):
    assert run("--input", "shows", "--output", "out", "--quiet") == 0
    assert capfd.readouterr() == ("", "")
    assert files(shows / "out") == RESULTS
    (shows / "b.mp4").touch()
    assert run("--input", "shows", "b.mp4", "--output", "out", "--quiet") == 1
    out, err = capfd.readouterr()
    assert out == "" and len(err.splitlines()) == 1 and "b.mp4" in err


def test_the_log_has_every_line_and_the_errors(shows, capsys):
    (shows / "b.mp4").touch()
    command = ["--input", "shows/a.mp4", "b.mp4", "--output", "out", "--log", "films.log"]
    assert run(*command, "--quiet") == 1
    lines = [line[20:] for line in (shows / "films.log").read_text(encoding="utf-8").splitlines()]
    assert lines[0].startswith("ppvsr 0.") and lines[0].endswith(f"{' '.join(command)} --quiet --process_order Bicubic")
    assert "1 of 2: shows/a.mp4" in lines and "2 of 2: b.mp4" in lines
    (error,) = [line for line in lines if line.startswith("error: ")]
    assert f"ppvsr-{'enhance'}: {error.removeprefix('error: ')}\n" == capsys.readouterr().err
    assert lines[-1] == "2 films: 1 done, 1 failed"
    assert run("--input", "typo.mp4", "--log", "films.log") == 2
    more = [line[20:] for line in (shows / "films.log").read_text(encoding="utf-8").splitlines()]
    assert more[: len(lines)] == lines and more[-1].startswith("error: typo.mp4: does not exist")


def test_a_name_with_a_leading_dash(film, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-rf.mp4").write_bytes(film)
    assert run("--input=-rf.mp4", "--output", "out") == 0
    assert run("--input", "*.mp4", "--output", "out2") == 0
    assert files(tmp_path / "out") == files(tmp_path / "out2") == ["-rf_Bicubic.mp4"]


def test_flags_arrive_at_the_film(shows, monkeypatch):
    from fractions import Fraction

    from ppvsr.enhance import video
    from ppvsr.enhance.video import Result

    heard = {}

    def note(source, target, variant, weights, **options):
        heard.update(options, source=source, target=target, variant=variant)
        return Result(target, 1, None)

    monkeypatch.setattr(video, "enhance_video", note)
    assert run("--input", "shows/a.mp4") == 0
    plain = dict(heard)
    assert (plain["overwrite"], plain["streaming"], plain["preview"]) == (False, True, None) and "segment" not in plain
    assert (plain["scenes"].detect, plain["scenes"].file, plain["scenes"].threshold) == (True, None, 15.0)
    assert (plain["finish"].scale, plain["finish"].height, plain["finish"].blend) == (None, None, 1.0)
    flags = "--overwrite --no-streaming --segment 9 --scenes cuts.csv --scene-threshold 7.5 --scale 1.5 --blend 0.7"
    assert run("--input", "shows/a.mp4", *flags.split(), "--preview", "00:10+3") == 0
    assert (heard["overwrite"], heard["streaming"], heard["segment"]) == (True, False, 9)
    assert (heard["preview"].start, heard["preview"].seconds) == (10, 3)
    assert (heard["scenes"].file, heard["scenes"].threshold) == (Path("cuts.csv"), 7.5)
    assert (heard["finish"].scale, heard["finish"].blend) == (Fraction(3, 2), 0.7)
    assert run("--input", "shows/a.mp4", "--no-scenes", "--height", "1080") == 0
    assert heard["scenes"].detect is False and heard["finish"].height == 1080


def test_previews_of_many_are_made_whatever_is_finished(shows):
    (shows / "out").mkdir()
    (shows / "out" / RESULTS[0]).write_text("precious")
    assert run("--input", "shows", "--output", "out", "--preview", "0+0.1") == 0
    assert (shows / "out" / RESULTS[0]).read_text() == "precious"
    assert {"a_Bicubic_preview.mp4", "a_Bicubic_preview.png"} < set(files(shows / "out"))
    assert run("--input", ".", "--output", "out", "--dry-run") == 0  # and they are no inputs


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_stops_everything_and_the_same_command_goes_on(film, tmp_path):
    (tmp_path / "in").mkdir()
    make_film(tmp_path / "in" / "b.mp4", 120, height=64, width=96)
    (tmp_path / "in" / "a.mp4").write_bytes(film)
    (tmp_path / "in" / "c.mp4").write_bytes(film)
    command = [sys.executable, str(SCRIPT), "--input", "in", "--process_order", "Bicubic", "--segment", "12", "--json"]
    begun = tmp_path / "output" / "b_Bicubic.mp4.ppvsr"
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        while len(list(begun.glob("[0-9]*"))) < 2:
            assert running.poll() is None, running.stderr.read()
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert err.splitlines()[-1] == "ppvsr-enhance: interrupted; the same command goes on where it was"
    told = events(out)
    assert (told[-2]["input"], told[-2]["code"]) == ("in/b.mp4", 130)
    assert {name: told[-1][name] for name in ("done", "failed", "left")} == {"done": 1, "failed": 0, "left": 2}
    assert begun.is_dir() and not (tmp_path / "output" / "b_Bicubic.mp4").exists()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    told = events(done.stdout)
    assert done.returncode == 0, done.stderr
    assert (told[-1]["done"], told[-1]["skipped"]) == (2, 1)
    assert any("finished by an earlier run" in each.get("text", "") for each in told)
    assert files(tmp_path / "output") == ["a_Bicubic.mp4", "b_Bicubic.mp4", "c_Bicubic.mp4"]
    assert streams(tmp_path / "output" / "b_Bicubic.mp4")[0][3] == 120
