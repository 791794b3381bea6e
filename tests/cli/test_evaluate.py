"""The command as people type it."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from ppvsr.cli.evaluate import main
from tests.films import make_film, pictures

ROOT = Path(__file__).parents[2]


def run(*arguments):
    return main([str(argument) for argument in arguments])


@pytest.fixture
def folders(tmp_path):
    for side in ("sr", "gt"):
        (tmp_path / side).mkdir()
        for index, image in enumerate(pictures(2)):
            cv2.imwrite(str(tmp_path / side / f"{index}.png"), image[..., ::-1])
    return tmp_path / "sr", tmp_path / "gt"


def test_two_folders_are_measured(folders, tmp_path, capsys):
    sr, gt = folders
    output = tmp_path / "out"
    options = ["--crop-border", 4, "--test_y_channel", "--flicker", "--output", output, "--save-img"]
    assert run("--sr", sr, "--gt", gt, *options) == 0
    out, err = capsys.readouterr()
    assert "PSNR" in out and "100.0000" in out and "truth's warping" in out
    assert "2/2 frames" in err and "\nmean" not in err
    assert json.loads((output / "results.json").read_text())["measured"]["crop_border"] == 4
    assert sorted(path.name for path in output.iterdir()) == ["pictures", "results.csv", "results.json"]


def test_a_film_is_shrunk_enlarged_and_measured(tmp_path, capsys):
    film = make_film(tmp_path / "clip.mp4", 3)
    assert run("--video", film, "--variant", "Bicubic", "--frames", 2) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[:3] == ["clip", "Bicubic", "2"] for line in lines)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4"]


def test_low_resolution_pictures_are_enlarged_first(folders, tmp_path, capsys):
    lq = tmp_path / "lq"
    lq.mkdir()
    for index, image in enumerate(pictures(2, 8, 12)):
        cv2.imwrite(str(lq / f"{index}.png"), image[..., ::-1])
    options = ["--variant", "PPMSVSRSmall", "--window", "all", "--device", "cpu", "--memory", "8G"]
    assert run("--lq", lq, "--gt", folders[1], *options) == 0
    assert "windows of 2 frames with 0 of context" in capsys.readouterr().out


REFUSALS = {
    "nothing to do": ([], "give one of --sr, --lq and --video"),
    "two things to do": (["--sr", "a", "--video", "b", "--gt", "c"], "give one of --sr, --lq and --video"),
    "no truth": (["--sr", "a"], "--sr needs --gt"),
    "no variant": (["--lq", "a", "--gt", "b"], "--lq needs --variant"),
    "variant of results": (["--sr", "a", "--gt", "b", "--variant", "PPMSVSR"], "--sr and --variant exclude"),
    "truth of films": (["--video", "a", "--gt", "b", "--variant", "PPMSVSR"], "--video and --gt exclude"),
    "unknown variant": (["--video", "a", "--variant", "PPMSVSX"], "did you mean PPMSVSR"),
    "overlap of whole clips": (
        ["--video", "a", "--variant", "PPMSVSR", "--window", "all", "--overlap", "2"],
        "--window all has no neighbours",
    ),
    "window": (["--video", "a", "--variant", "PPMSVSR", "--window", "0"], "'0' is not a whole number of 1 or more"),
    "short window": (
        ["--video", "a", "--variant", "PPMSVSR", "--window", "4", "--overlap", "2"],
        "cannot overlap by 2",
    ),
    "pictures without a folder": (["--sr", "a", "--gt", "b", "--save-img"], "--save-img needs --output"),
    "missing film": (["--video", "missing.mp4", "--variant", "Bicubic"], "missing.mp4"),
    "missing weights": (["--video", "a", "--variant", "PPMSVSR", "--weights", "no/w.pdparams"], "no such weight file"),
    "border": (["--sr", "a", "--gt", "b", "--crop-border", "-1"], "--crop-border"),
}


@pytest.mark.parametrize(("arguments", "message"), REFUSALS.values(), ids=REFUSALS)
def test_wrong_use_is_one_line_and_exit_code_2(arguments, message, capsys):
    assert run(*arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("ppvsr-evaluate: ") and message in err and err.count("\n") == 1


def test_data_that_does_not_fit_is_one_line_and_exit_code_1(folders, tmp_path, capsys):
    sr, gt = folders
    (gt / "1.png").unlink()
    assert run("--sr", sr, "--gt", gt, "--output", tmp_path / "out") == 1
    err = capsys.readouterr().err
    assert err == "ppvsr-evaluate: sr: 2 frames to be measured against 1 of the truth; give equal parts\n"
    assert not (tmp_path / "out").exists()


def test_help_and_wrong_flags_need_no_heavy_imports_and_results_need_no_paddle(folders):
    sr, gt = folders
    code = """
import sys
from ppvsr.cli.evaluate import main
assert main(["--sr", "a"]) == 2
assert not {"cv2", "paddle", "av"} & set(sys.modules), sys.modules
assert main(["--sr", sys.argv[1], "--gt", sys.argv[2], "--flicker"]) == 0
assert "paddle" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code, sr, gt], check=True, cwd=ROOT, capture_output=True)


def test_the_tool_runs_from_any_folder(tmp_path):
    command = [sys.executable, ROOT / "tools" / "evaluate.py", "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "--video" in done.stdout and "examples:" in done.stdout
