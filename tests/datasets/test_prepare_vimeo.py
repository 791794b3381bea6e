"""A small Vimeo-90K: annotation files, LQ pictures, interruptions, and wrong use."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import ppvsr.data.prepare
import ppvsr.data.shrink
from ppvsr.cli.data import vimeo_main
from ppvsr.resize import resize

TOOL = Path(__file__).parents[2] / "tools" / "vimeo_preprocess.py"
CLIPS = ["00001/0001", "00001/0002", "00002/0001"]
LINE = "{} 7 (32, 48, 3)\n"


def write_clip(folder, seed=0, size=(32, 48), frames=7):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(1, frames + 1):
        cv2.imwrite(str(folder / f"im{number}.png"), rng.integers(0, 256, (*size, 3), dtype=np.uint8))


@pytest.fixture
def vimeo(tmp_path):
    root = tmp_path / "vimeo_septuplet"
    for seed, clip in enumerate(CLIPS):
        write_clip(root / "sequences" / clip, seed)
    (root / "sep_trainlist.txt").write_bytes("\ufeff00001/0001\r\n\r\n00001/0002\r\n00001/0001\n  \n".encode())
    (root / "sep_testlist.txt").write_text("00002/0001")
    return root


def run(root, *arguments, lists=("train", "test")):
    given = [f"--{kind}-annotation={root / f'sep_{kind}list.txt'}" for kind in lists]
    return vimeo_main([*given, "--images-root", str(root / "sequences"), *map(str, arguments)])


def generate(root, *arguments, workers=1):
    return run(root, "--output-dir", root / "BIx4", "--generate-lq", "--workers", workers, *arguments)


def files(folder):
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def test_annotations_stand_beside_the_lists(vimeo):
    assert run(vimeo) == 0
    train, test = (vimeo / f"meta_info_Vimeo90K_{kind}_GT.txt" for kind in ("train", "test"))
    assert train.read_text() == LINE.format("00001/0001") + LINE.format("00001/0002")
    assert test.read_text() == LINE.format("00002/0001")
    assert not (vimeo / "BIx4").exists()


def test_the_kind_comes_from_the_flag_and_an_annotation_is_a_list_too(vimeo):
    folder = vimeo / "train"
    folder.mkdir()
    (vimeo / "sep_testlist.txt").rename(folder / "any.txt")
    images = ["--images-root", str(vimeo / "sequences")]
    assert vimeo_main(["--test-annotation", str(folder / "any.txt"), *images]) == 0
    annotation = folder / "meta_info_Vimeo90K_test_GT.txt"
    assert annotation.read_text() == LINE.format("00002/0001")
    assert vimeo_main(["--test-annotation", str(annotation), *images]) == 0
    assert annotation.read_text() == LINE.format("00002/0001")


def test_lq_pictures_are_those_of_resize_whatever_the_workers(vimeo, tmp_path):
    made = {}
    for workers in (1, 3):
        assert run(vimeo, "--output-dir", tmp_path / str(workers), "--generate-lq", "--workers", workers) == 0
        made[workers] = {name: path.read_bytes() for name, path in files(tmp_path / str(workers)).items()}
    assert sorted(made[1]) == sorted(f"{clip}/im{number}.png" for clip in CLIPS for number in range(1, 8))
    assert made[1] == made[3]
    for name in made[1]:
        gt, lq = (
            cv2.imread(str(folder / name), cv2.IMREAD_UNCHANGED) for folder in (vimeo / "sequences", tmp_path / "1")
        )
        assert np.array_equal(lq, resize(gt, 8, 12))


def test_another_scale_has_other_sizes(vimeo):
    assert run(vimeo, "--output-dir", vimeo / "BIx2", "--generate-lq", "--scale", 2, lists=["test"]) == 0
    assert cv2.imread(str(vimeo / "BIx2" / "00002/0001/im7.png")).shape == (16, 24, 3)


def test_a_second_run_reads_no_picture(vimeo, monkeypatch, capsys):
    assert generate(vimeo) == 0
    before = {name: path.stat().st_mtime_ns for name, path in files(vimeo).items()}

    def never(*_args, **_kwargs):
        raise AssertionError("a finished tree must not be read")

    heads = []
    size = ppvsr.data.prepare.picture_size
    monkeypatch.setattr("ppvsr.data.prepare.picture_size", lambda path: heads.append(path) or size(path))
    monkeypatch.setattr(ppvsr.data.shrink, "read_picture", never)
    monkeypatch.setattr("multiprocessing.context.SpawnProcess.start", never)
    assert generate(vimeo) == 0
    assert "BIx4: 0 pictures are to be made" in capsys.readouterr().out
    assert len(heads) == 2  # of the first clip, to compare the scale
    assert {name: path.stat().st_mtime_ns for name, path in files(vimeo).items()} == before


def test_pictures_of_another_scale_are_not_taken_for_ones_own(vimeo, capsys):
    assert generate(vimeo) == 0
    assert generate(vimeo, "--scale", "2") == 2
    assert "it was not made with --scale 2" in capsys.readouterr().err


def test_only_what_is_missing_is_made_and_half_files_go(vimeo):
    assert generate(vimeo) == 0
    clip = vimeo / "BIx4" / "00001/0002"
    whole = (clip / "im4.png").read_bytes()
    (clip / "im4.png").unlink()
    (clip / "im5.png").write_bytes(b"kept as it is")
    (clip / ".im4.png.77.part").write_bytes(whole[:50])
    assert generate(vimeo) == 0
    assert sorted(path.name for path in clip.iterdir()) == [f"im{number}.png" for number in range(1, 8)]
    assert (clip / "im4.png").read_bytes() == whole
    assert (clip / "im5.png").read_bytes() == b"kept as it is"


def test_missing_and_short_clips_are_named_and_left_out(vimeo, capsys):
    (vimeo / "sequences/00001/0001/im3.png").unlink()
    with (vimeo / "sep_testlist.txt").open("a") as file:
        file.write("\n00009/0009\n")
    assert generate(vimeo) == 0
    out = capsys.readouterr().out
    assert "train: 1 missing or short, left out: 00001/0001 (6 of 7 pictures)" in out
    assert "test: 1 missing or short, left out: 00009/0009\n" in out
    assert (vimeo / "meta_info_Vimeo90K_train_GT.txt").read_text() == LINE.format("00001/0002")
    assert not (vimeo / "BIx4/00001/0001").exists() and (vimeo / "BIx4/00002/0001/im1.png").exists()


def test_failed_pictures_are_named_and_the_others_are_made(vimeo, capsys):
    cut = vimeo / "sequences/00001/0001/im3.png"
    cut.write_bytes(cut.read_bytes()[:-40])
    cv2.imwrite(str(vimeo / "sequences/00002/0001/im2.png"), np.zeros((30, 48, 3), np.uint8))
    assert generate(vimeo) == 1
    said = capsys.readouterr()
    assert f"{cut}: is damaged" in said.out and "im2.png: 48x30 cannot be divided by 4; crop" in said.out
    assert said.err.splitlines()[-1] == "vimeo_preprocess: 2 pictures failed"
    assert len(files(vimeo / "BIx4")) == 19


def test_an_unreadable_size_is_a_failure_not_an_end(vimeo, capsys):
    (vimeo / "sequences/00001/0001/im1.png").write_text("no picture")
    assert run(vimeo) == 1
    assert "im1.png" in capsys.readouterr().out
    assert (vimeo / "meta_info_Vimeo90K_train_GT.txt").read_text() == LINE.format("00001/0002")


def test_a_place_that_cannot_be_written_ends_the_work(vimeo, capsys):
    (vimeo / "BIx4").mkdir()
    (vimeo / "BIx4" / "00001").write_text("in the way")
    assert generate(vimeo) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("vimeo_preprocess")]
    assert "00001" in line


REFUSALS = {
    "no list": ([], "--train-annotation, --test-annotation or both"),
    "no such list": (["--train-annotation", "no.txt"], "no.txt: no such list"),
    "an empty list": (["--train-annotation", "empty.txt"], "empty.txt: lists no clips"),
    "a binary list": (["--train-annotation", "binary.txt"], "binary.txt: is no list"),
    "a list of something else": (["--train-annotation", "other.txt"], "'000/00000000.png/x' is no clip of Vimeo-90K"),
    "a list that leads away": (["--train-annotation", "away.txt"], "'../secret' is no name of a clip"),
    "a list of other clips": (["--train-annotation", "others.txt"], "holds no complete clip of others.txt"),
    "no output": (["--test-annotation", "list.txt", "--generate-lq"], "--generate-lq needs --output-dir"),
    "output is input": (
        ["--test-annotation", "list.txt", "--generate-lq", "--output-dir", "x/../seq"],
        "is --images-root, too",
    ),
    "no images": (["--test-annotation", "list.txt", "--images-root", "nowhere"], "nowhere: no such folder"),
    "scale": (["--test-annotation", "list.txt", "--scale", "0"], "'0' is not a whole number of 1 or more"),
    "workers": (["--test-annotation", "list.txt", "--workers", "-1"], "--workers"),
    "unknown flag": (["--test-annotation", "list.txt", "--genrate"], "--genrate"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_wrong_use_is_one_line_and_exit_code_2(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "seq/00001/0001")
    (tmp_path / "x").mkdir()
    texts = {"list": "00001/0001", "empty": "\n\n", "other": "000/00000000.png/x", "away": "../secret", "others": "1/2"}
    for stem, text in texts.items():
        (tmp_path / f"{stem}.txt").write_text(text)
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00\x81")
    before = sorted(tmp_path.rglob("*"))
    arguments, text = REFUSALS[name]
    assert vimeo_main(["--images-root", "seq", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("vimeo_preprocess: ") and text in line
    assert sorted(tmp_path.rglob("*")) == before


def test_the_tool_explains_itself():
    done = subprocess.run([sys.executable, TOOL, "--help"], capture_output=True, text=True, check=True)
    for flag in ("train-annotation", "test-annotation", "images-root", "output-dir", "generate-lq", "scale", "workers"):
        assert f"--{flag}" in done.stdout
