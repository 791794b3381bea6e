"""A small REDS: the download's folders become those of the configs."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppvsr.cli.data import reds_main
from ppvsr.data import prepare
from ppvsr.data.prepare import REDS4, REDS_FRAMES
from ppvsr.resize import resize

TOOL = Path(__file__).parents[2] / "tools" / "prepare_reds.py"
TRAIN, VAL = ("000", "011", "015", "020", "239"), ("000", "029")
NUMBERS = [*TRAIN, "240", "269"]


def write_clip(folder, value, size, frames=REDS_FRAMES):
    """100 pictures of one colour, told apart by it; the file is written once and linked."""
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / frames[0]), np.full((*size, 3), value, np.uint8))
    for name in frames[1:]:
        os.link(folder / frames[0], folder / name)


def download(root, *, bicubic=True, split=lambda name: Path()):
    for name, clips, first in (("train", TRAIN, 0), ("val", VAL, 100)):
        for index, clip in enumerate(clips):
            write_clip(root / split(name) / f"{name}_sharp" / clip, first + index, (16, 24))
            if bicubic:
                write_clip(root / split(name) / f"{name}_sharp_bicubic/X4" / clip, first + index, (4, 6))
    return root


def run(source, target, *arguments):
    return reds_main(["--input", str(source), "--output", str(target), *map(str, arguments)])


def value(path):
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return image.shape, int(image[0, 0, 0])


def listing(root):
    return {path.relative_to(root).as_posix() for path in root.rglob("*.*") if not path.is_dir()}


def check_layout(target):
    sizes = {"sharp": (16, 24, 3), "sharp_bicubic": (4, 6, 3)}
    expected = {"meta_info_REDS_GT.txt"}
    for kind, size in sizes.items():
        for index, clip in enumerate(NUMBERS):
            folders = [f"train_{kind}/X4/{clip}"] + ([f"REDS4_test_{kind}/X4/{clip}"] if clip in REDS4 else [])
            for folder in folders:
                expected |= {f"{folder}/{name}" for name in REDS_FRAMES}
                colour = index if clip in TRAIN else 100 + index - len(TRAIN)
                assert value(target / folder / REDS_FRAMES[99]) == (size, colour)
    assert listing(target) == expected
    lines = (target / "meta_info_REDS_GT.txt").read_text().splitlines()
    assert lines[0] == "000/00000000.png (16, 24, 3)" and lines[-1] == "269/00000099.png (16, 24, 3)"
    assert [line.split("/")[0] for line in lines] == [clip for clip in NUMBERS for _ in REDS_FRAMES]


@pytest.mark.slow
@pytest.mark.parametrize("link", ["hard", "symbolic", "none"])
def test_the_layout_is_that_of_the_configs_and_the_download_stays(tmp_path, link, capsys):
    source = download(tmp_path / "download")
    before = listing(source)
    assert run(source, tmp_path / "REDS", "--link", link) == 0
    check_layout(tmp_path / "REDS")
    assert listing(source) == before
    picture = tmp_path / "REDS/REDS4_test_sharp/X4/011/00000007.png"
    original = source / "train_sharp/011/00000007.png"
    assert picture.is_symlink() == (link == "symbolic")
    assert picture.samefile(original) == (link != "none")
    out = capsys.readouterr().out
    assert "train_sharp/X4: 263 of 270 clips are missing: 001-010, 012-014, 016-019, 021-238, 241-268" in out
    assert "REDS4_test_sharp/X4: complete" in out


def test_archives_in_train_and_val_and_a_second_run(tmp_path, capsys):
    source = download(tmp_path / "download", split=Path)
    assert run(source, tmp_path / "REDS") == 0
    check_layout(tmp_path / "REDS")
    capsys.readouterr()
    assert run(source, tmp_path / "REDS") == 0
    assert "train_sharp/X4: 7 clips are there, 0 are linked (hard)" in capsys.readouterr().out
    check_layout(tmp_path / "REDS")


def test_input_and_output_may_be_one_folder(tmp_path):
    root = download(tmp_path / "REDS")
    before = listing(root)
    assert run(root, root) == 0
    assert value(root / "train_sharp_bicubic/X4/269" / REDS_FRAMES[0]) == ((4, 6, 3), 101)
    assert value(root / "REDS4_test_sharp/X4/020" / REDS_FRAMES[0]) == ((16, 24, 3), 3)
    assert len((root / "meta_info_REDS_GT.txt").read_text().splitlines()) == 700
    assert before < listing(root)


def test_other_kinds_are_regrouped_too(tmp_path):
    source = download(tmp_path / "download")
    write_clip(source / "train_blur" / "000", 9, (16, 24))
    write_clip(source / "val_blur_bicubic/X4" / "000", 8, (4, 6))
    assert run(source, tmp_path / "REDS") == 0
    assert value(tmp_path / "REDS/REDS4_test_blur/X4/000" / REDS_FRAMES[0]) == ((16, 24, 3), 9)
    assert value(tmp_path / "REDS/train_blur_bicubic/X4/240" / REDS_FRAMES[0]) == ((4, 6, 3), 8)


def test_missing_lq_pictures_are_made_from_gt(tmp_path, capsys):
    source = download(tmp_path / "download", bicubic=False)
    noise = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    (source / "train_sharp/000" / REDS_FRAMES[5]).unlink()
    cv2.imwrite(str(source / "train_sharp/000" / REDS_FRAMES[5]), noise)
    assert run(source, tmp_path / "REDS") == 0
    assert "--generate-lq makes them" in capsys.readouterr().out
    assert run(source, tmp_path / "REDS", "--generate-lq", "--workers", 1) == 0
    made = cv2.imread(str(tmp_path / "REDS/train_sharp_bicubic/X4/000" / REDS_FRAMES[5]))
    assert np.array_equal(made, resize(noise, 4, 6))
    check_layout(tmp_path / "REDS")
    capsys.readouterr()
    assert run(source, tmp_path / "REDS", "--generate-lq") == 0
    assert "X4: 0 pictures are to be made" in capsys.readouterr().out


def test_a_dry_run_writes_nothing(tmp_path, capsys):
    source = download(tmp_path / "download")
    assert run(source, tmp_path / "REDS", "--dry-run", "--generate-lq") == 0
    assert not (tmp_path / "REDS").exists()
    assert "train_sharp/X4: 0 clips are there, 7 would be linked (hard)" in capsys.readouterr().out


def test_an_interrupted_run_goes_on(tmp_path, monkeypatch):
    source = download(tmp_path / "download")
    calls = []

    def link(a, b, **_):
        calls.append(b)
        if len(calls) == 150:
            raise KeyboardInterrupt
        os.symlink(a, b)

    monkeypatch.setitem(prepare.LINKS, "hard", link)
    assert run(source, tmp_path / "REDS") == 130
    monkeypatch.undo()
    assert run(source, tmp_path / "REDS") == 0
    check_layout(tmp_path / "REDS")


def test_short_clips_are_named_and_left_out(tmp_path, capsys):
    source = download(tmp_path / "download")
    (source / "train_sharp/015" / REDS_FRAMES[50]).unlink()
    assert run(source, tmp_path / "REDS") == 1
    said = capsys.readouterr()
    assert f"short clips are left out: {source / 'train_sharp/015'} (99 of 100 pictures)" in said.out
    assert said.err.splitlines()[-1].startswith("prepare_reds: 1 clips or pictures")
    assert not (tmp_path / "REDS/train_sharp/X4/015").exists()
    assert "015/" not in (tmp_path / "REDS/meta_info_REDS_GT.txt").read_text()


def test_links_that_cannot_be_made_are_an_error_that_helps(tmp_path, monkeypatch, capsys):
    def refuse(*_args, **_kwargs):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setitem(prepare.LINKS, "hard", refuse)
    assert run(download(tmp_path / "download"), tmp_path / "REDS") == 1
    assert "Invalid cross-device link; another --link may be possible here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--input", "nowhere"], "nowhere: no such folder"),
        (["--input", "empty"], "empty: holds no clip of train_sharp or val_sharp"),
        (["--input", "empty", "--link", "soft"], "--link"),
        ([], "--input"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(tmp_path, monkeypatch, capsys, arguments, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert reds_main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("prepare_reds: ") and text in line
    assert not (tmp_path / "data").exists()


def test_the_tool_explains_itself():
    done = subprocess.run([sys.executable, TOOL, "--help"], capture_output=True, text=True, check=True)
    for flag in ("input", "output", "link", "generate-lq", "workers", "dry-run"):
        assert f"--{flag}" in done.stdout
