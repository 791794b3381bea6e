"""The command as people type it: what it makes, what it says, and how it refuses."""

import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppvsr.cli.enhance import main
from ppvsr.weights.zoo import VARIANTS
from tests.films import make_film, pictures, streams

ROOT = Path(__file__).parents[2]
DOORS = ["applications/video-enhance.py", "applications/tools/video-enhance.py"]


@pytest.fixture
def clip(tmp_path):
    return make_film(tmp_path / "clip.mp4", sound=True)


def run(*arguments):
    return main([str(argument) for argument in arguments])


def test_a_film_becomes_four_times_larger_with_its_sound(clip, tmp_path, capsys):
    assert run("--input", clip, "--process_order", "Bicubic", "--output", tmp_path / "out") == 0
    film = tmp_path / "out" / "clip_Bicubic.mp4"
    assert list(film.parent.iterdir()) == [film]
    assert streams(film) == [("video", "h264", 192, 6), ("audio", "aac", 0, streams(clip)[1][3])]
    assert str(film) in capsys.readouterr().out


@pytest.mark.slow
def test_ppmsvsr_runs_without_network_and_says_which_weights(clip, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    order = ["--process_order", "PPMSVSR", "--backend", "dygraph", "--frames", 2]
    assert run("--input", clip, *order, "--output", tmp_path / "o.mkv") == 0
    assert streams(tmp_path / "o.mkv")[0] == ("video", "h264", 192, 2)
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if line.startswith("PPMSVSR: weights")]
    row = VARIANTS["PPMSVSR"].pick()
    assert row.quality in line and "--weights official" in line
    assert "windows of" in out and "memory" in out


@pytest.mark.slow
def test_two_variants_run_one_after_the_other(clip, tmp_path):
    arguments = ["--input", clip, "--output", tmp_path / "out", "--frames", 2]
    assert run(*arguments, "--process_order", "Bicubic", "PPMSVSRSmall", "--backend", "dygraph") == 0
    (film,) = (tmp_path / "out").iterdir()
    assert film.name == "clip_Bicubic_PPMSVSRSmall.mp4"
    assert streams(film)[0] == ("video", "h264", 48 * 16, 2)


def test_a_dry_run_says_the_plan_and_writes_nothing(clip, tmp_path, capsys):
    before = set(tmp_path.rglob("*"))
    assert run("--input", clip, "--process_order", "PPMSVSR", "--output", tmp_path / "out", "--dry-run") == 0
    out = capsys.readouterr().out
    assert "windows of" in out and "48x32" in out and "192x128" in out and "clip_PPMSVSR.mp4" in out
    assert set(tmp_path.rglob("*")) == before


def test_names_stay_intact(tmp_path):
    clip = make_film(tmp_path / "Get.Smart 1x01 第一集.mp4")
    assert run("--input", clip, "--process_order", "Bicubic", "--output", tmp_path / "out.put") == 0
    assert [path.name for path in (tmp_path / "out.put").iterdir()] == ["Get.Smart 1x01 第一集_Bicubic.mp4"]


def test_an_older_film_is_replaced_only_by_a_complete_one(clip, tmp_path, monkeypatch):
    target = tmp_path / "out.mp4"
    target.write_text("precious")
    broken = ["--input", clip, "--output", target, "--process_order", "PPMSVSRSmall", "--memory", "1M"]
    assert run(*broken) == 1
    assert target.read_text() == "precious"
    assert run("--input", clip, "--output", target, "--process_order", "Bicubic") == 0
    assert streams(target)[0][3] == 6


def test_a_damaged_film_is_published_and_the_shortfall_is_the_last_line(tmp_path, capsys):
    whole = make_film(tmp_path / "whole.mkv", 100)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    assert run("--input", cut, "--process_order", "Bicubic", "--output", tmp_path / "out.mkv") == 1
    assert 20 < streams(tmp_path / "out.mkv")[0][3] < 100
    last = capsys.readouterr().err.splitlines()[-1]
    assert "damaged" in last and str(cut) in last


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("executed"),)


def hostile(path):
    path.write_bytes(pickle.dumps({"generator": Evil()}))
    return path


REFUSALS = {
    "missing file": (["--input", "missing.mp4"], 2, "missing.mp4"),
    "folder without images": (["--input", "empty"], 2, "empty"),
    "text named mp4": (["--input", "text.mp4"], 1, "text.mp4"),
    "no video stream": (["--input", "sound.wav"], 1, "sound.wav"),
    "zero frames": (["--input", "head.mkv"], 1, "head.mkv"),
    "unknown variant": (["--process_order", "PPMSVRS"], 2, "did you mean PPMSVSR"),
    "unknown weights": (["--process_order", "PPMSVSR", "--weights", "offical"], 2, "did you mean official"),
    "missing weights": (["--process_order", "PPMSVSR", "--weights", "w.pdparams"], 2, "w.pdparams"),
    "hostile weights": (["--process_order", "PPMSVSR", "--PPMSVSR_weight", "evil.pdparams"], 1, "evil.pdparams"),
    "other weights": (["--process_order", "BasicVSR", "--weights", "small.safetensors"], 1, "small.safetensors"),
    "two ways": (["--weights", "bi", "--PPMSVSR_weight", "evil.pdparams"], 2, "exclude each other"),
    "unwritable output": (["--output", "text.mp4/out.mp4"], 2, "text.mp4"),
    "unknown codec": (["--codec", "libx246"], 2, "libx246"),
    "no such quality": (["--crf", "9999"], 2, "--crf 9999: of libx264 it is 0 (best) to 51"),
    "unknown pixel format": (["--pix-fmt", "yuv422q"], 2, "yuv422q"),
    "unknown container": (["--container", "avi"], 2, "avi"),
    "weights nobody uses": (["--BasicVSR_weight", "small.safetensors"], 2, "BasicVSR, which is not asked for"),
    "baseline with weights": (["--weights", "bi"], 2, "Bicubic has no weights"),
    "film as avi": (["--output", "out.avi"], 2, "not as avi"),
    "two containers": (["--output", "out.mp4", "--container", "mkv"], 2, "contradict"),
    "a folder in the way": (["--output", "way.mp4", "--container", "auto"], 2, "is a folder"),
    "pictures among others": (["--output", "others", "--container", "png"], 2, "not a folder of PNG only"),
    "no input": (["--input", ""], 2, "has no name"),
    "the input itself": (["--output", "clip.mp4"], 2, "clip.mp4"),
    "overlap": (["--process_order", "PPMSVSR", "--num_frames", "4", "--overlap", "2"], 2, "--num_frames"),
    "no number": (["--num_frames", "many"], 2, "many"),
    "no frames": (["--num_frames", "0"], 2, "'0' is not a whole number of 1 or more"),
    "no memory": (["--memory", "much"], 2, "much"),
    "no time": (["--start", "noon"], 2, "noon"),
    "after the end": (["--start", "1:00"], 2, "clip.mp4"),
    "no device": (["--process_order", "PPMSVSR", "--device", "gpu:7"], 2, "gpu:7"),
    "unknown flag": (["--fast"], 2, "--fast"),
}


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A folder with everything that can go wrong in it."""
    folder = tmp_path_factory.mktemp("room")
    make_film(folder / "clip.mp4", sound=True)
    (folder / "empty").mkdir()
    for variant in ("Bicubic", "PPMSVSR"):
        (folder / "way.mp4" / f"clip_{variant}.mp4").mkdir(parents=True)
        (folder / "others" / f"clip_{variant}").mkdir(parents=True)
        (folder / "others" / f"clip_{variant}" / "diary.txt").write_text("mine")
    (folder / "text.mp4").write_text("Dear diary,\n" * 100)
    (folder / "sound.wav").write_bytes(wav())
    whole = make_film(folder / "whole.mkv").read_bytes()
    (folder / "head.mkv").write_bytes(whole[: whole.index(b"\x1f\x43\xb6\x75")])  # up to the first cluster
    hostile(folder / "evil.pdparams")
    bundled = ROOT / "ppvsr/weights/bundled/ppmsvsr_small_bi.safetensors"
    (folder / "small.safetensors").write_bytes(bundled.read_bytes())
    return folder


def wav():
    samples = np.zeros(4800, "<i2").tobytes()
    head = b"RIFF" + (36 + len(samples)).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    head += b"\1\0\1\0" + (48000).to_bytes(4, "little") + (96000).to_bytes(4, "little") + b"\2\0\x10\0"
    return head + b"data" + len(samples).to_bytes(4, "little") + samples


@pytest.mark.slow
@pytest.mark.parametrize("case", REFUSALS)
def test_bad_requests_get_one_line_and_leave_nothing(case, room, monkeypatch, capfd):
    monkeypatch.chdir(room)
    arguments, code, expected = REFUSALS[case]
    defaults = {"--input": "clip.mp4", "--process_order": "Bicubic", "--output": "out.mp4"}
    for flag, value in defaults.items():
        if flag not in arguments:
            arguments = [*arguments, flag, value]
    before = {path: path.stat().st_mtime_ns for path in room.rglob("*") if path.is_file()}
    assert run(*arguments) == code
    err = capfd.readouterr().err
    assert len(err.splitlines()) == 1 and err.startswith("ppvsr-enhance: ") and expected in err
    assert {path: path.stat().st_mtime_ns for path in room.rglob("*") if path.is_file()} == before


HEAVY = {"no device", "baseline with weights"}  # only Paddle knows its devices; and this one is for Bicubic alone
WRONG_USE = [name for name, (_, code, _) in REFUSALS.items() if code == 2 and name not in HEAVY]


@pytest.mark.slow
@pytest.mark.parametrize("case", [*WRONG_USE, "text named mp4"])
def test_wrong_use_is_answered_before_paddle_is_imported(case, room):
    arguments = REFUSALS[case][0]
    code = (
        "import sys; from ppvsr.cli.enhance import main; code = main(sys.argv[1:]);"
        "assert 'paddle' not in sys.modules, 'too early'; sys.exit(code)"
    )
    defaults = {"--input": "clip.mp4", "--process_order": "PPMSVSR", "--output": "out.mp4"}
    full = [word for flag, value in defaults.items() if flag not in arguments for word in (flag, value)] + arguments
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, *full]
    done = subprocess.run(command, cwd=room, env=environment, capture_output=True, text=True)
    assert done.returncode == REFUSALS[case][1], done.stderr


@pytest.mark.parametrize("inside", ["a.png", "."])
def test_the_folder_of_the_input_is_never_replaced(inside, tmp_path, capsys):
    folder = tmp_path / "a_Bicubic"
    folder.mkdir()
    for name, image in zip(("a.png", "b.png"), pictures(2), strict=True):
        cv2.imwrite(str(folder / name), image)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    source = folder / inside if inside != "." else folder
    output = tmp_path if inside != "." else tmp_path / "a_Bicubic"
    run("--input", source, "--process_order", "Bicubic", "--output", output, "--container", "png")
    assert {name: (folder / name).read_bytes() for name in before} == before


@pytest.mark.slow
def test_a_run_that_is_killed_at_its_beginning_leaves_nothing(tmp_path):
    clip = make_film(tmp_path / "clip.mp4", 200, height=240, width=320)
    command = [sys.executable, ROOT / DOORS[0], "--input", clip, "--process_order", "Bicubic", "--output", "out.mp4"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as running:
        while not (tmp_path / "out.mp4.ppvsr").exists():
            assert running.poll() is None, running.stderr.read()
            time.sleep(0.02)
        running.terminate()
        assert running.wait(30) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.slow
@pytest.mark.parametrize("redirection", [">/dev/full", "| true", "2>&-", ">&-"])
def test_nobody_listening_does_not_cost_the_film(redirection, clip, tmp_path):
    command = f"{sys.executable} {ROOT / DOORS[0]} --input clip.mp4 --process_order Bicubic --output out.mp4"
    subprocess.run(f"{command} {redirection}", shell=True, cwd=tmp_path, capture_output=True)
    assert streams(tmp_path / "out.mp4")[0] == ("video", "h264", 192, 6)


@pytest.mark.slow
@pytest.mark.parametrize("door", DOORS)
def test_the_scripts_run_from_any_folder(door, clip, tmp_path):
    command = [sys.executable, ROOT / door, "--input", "clip.mp4", "--process_order", "Bicubic", "--output", "out.mp4"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert streams(tmp_path / "out.mp4")[0] == ("video", "h264", 192, 6)


def test_help_names_the_variants_and_gives_examples(capsys):
    with pytest.raises(SystemExit) as caught:
        run("--help")
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert "PPMSVSR" in out and "BasicVSRPlusPlus" in out and "video-enhance.py --input clip.mp4" in out


def test_a_bug_is_one_line_too(clip, tmp_path, monkeypatch, capsys):
    def broken(*args, **kwargs):
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr("ppvsr.enhance.video.produce", broken)
    assert run("--input", clip, "--process_order", "Bicubic", "--output", tmp_path / "out.mp4") == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "ppvsr-enhance: unexpected RuntimeError: first line (PPVSR_DEBUG=1 shows where)"
    assert not (tmp_path / "out.mp4").exists()
