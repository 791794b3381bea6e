"""Scores as a table and as files."""

import csv
import errno
import json
import re
from pathlib import Path

import pytest

from ppvsr.errors import PpvsrError
from ppvsr.evaluate.evaluate import ClipScore, Scores, table, write_csv, write_json

NET = Scores(
    (
        ClipScore("calendar", 41, {"psnr": 22.5, "ssim": 0.75}, 0.5),
        ClipScore("00001/0266", 7, {"psnr": 30.5, "ssim": 0.9}, 1),
    ),
    {"psnr": 26.5, "ssim": 0.825},
    5 << 30,
)
CUBIC = Scores(
    (
        ClipScore("calendar", 41, {"psnr": 20.0, "ssim": 0.5}, 0.01),
        ClipScore("00001/0266", 7, {"psnr": 28.0, "ssim": 0.8}, 0.01),
    ),
    {"psnr": 24.0, "ssim": 0.65},
    1 << 30,
)


def test_the_table_has_a_line_for_each_clip_and_one_for_the_mean():
    assert table(NET).splitlines() == [
        "clip        frames     PSNR    SSIM  s/frame",
        "calendar        41  22.5000  0.7500   0.5000",
        "00001/0266       7  30.5000  0.9000   1.0000",
        "mean            48  26.5000  0.8250   0.7500",
    ]


def test_rivals_stand_together():
    lines = table(NET, "PPMSVSR", {"Bicubic": CUBIC}).splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["clip", "by"],
        ["calendar", "PPMSVSR"],
        ["calendar", "Bicubic"],
        ["00001/0266", "PPMSVSR"],
        ["00001/0266", "Bicubic"],
        ["mean", "PPMSVSR"],
        ["mean", "Bicubic"],
    ]
    assert "24.0000" in lines[-1]


def test_a_value_that_a_clip_does_not_have_is_a_dash_and_an_empty_cell(tmp_path):
    clips = (ClipScore("one", 1, {"psnr": 30.0}, 0.1), ClipScore("two", 2, {"psnr": 30.0, "warping_error": 2.0}, 0.1))
    scores = Scores(clips, {"psnr": 30.0, "warping_error": 2.0}, 1)
    assert table(scores).splitlines()[1].split() == ["one", "1", "30.0000", "-", "0.1000"]
    write_csv(tmp_path / "results.csv", scores)
    assert (tmp_path / "results.csv").read_text().splitlines()[1] == ",one,1,30.0,,0.1"


def test_the_files_hold_everything(tmp_path):
    folder = tmp_path / "new" / "folder"
    write_json(folder / "results.json", NET, {"variant": "PPMSVSR"}, {"Bicubic": CUBIC})
    write_csv(folder / "results.csv", NET, "PPMSVSR", {"Bicubic": CUBIC})
    tree = json.loads((folder / "results.json").read_text())
    assert tree["variant"] == "PPMSVSR" and tree["mean"] == NET.mean and tree["peak_bytes"] == 5 << 30
    assert tree["clips"][1] == {"clip": "00001/0266", "frames": 7, "values": {"psnr": 30.5, "ssim": 0.9}, "seconds": 1}
    assert tree["beside"]["Bicubic"]["mean"]["psnr"] == 24.0
    rows = list(csv.DictReader((folder / "results.csv").open(newline="")))
    assert [(row["by"], row["clip"], row["psnr"]) for row in rows[-2:]] == [
        ("PPMSVSR", "mean", "26.5"),
        ("Bicubic", "mean", "24.0"),
    ]
    assert sorted(path.name for path in folder.iterdir()) == ["results.csv", "results.json"]


def test_without_rivals_nothing_is_said_of_them(tmp_path):
    write_json(tmp_path / "results.json", NET, {})
    assert "beside" not in json.loads((tmp_path / "results.json").read_text())


def test_older_results_survive_a_full_disk(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    path.write_text("precious")

    def full(self, text, **options):
        self.write_bytes(text[:10].encode())
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(PpvsrError, match=r"results\.json: cannot be written: No space left .*choose another folder"):
        write_json(path, NET, {})
    assert path.read_text() == "precious"
    assert [each.name for each in tmp_path.iterdir()] == ["results.json"]


def series(*values):
    clip = ClipScore("one", len(values), {"psnr": sum(values) / len(values)}, 0.1, dict(enumerate(values)))
    other = ClipScore("two", 2, {"psnr": 30.0}, 0.1, {0: 30.0, 1: 30.0})
    return Scores((clip, other), {"psnr": (clip.values["psnr"] + 30.0) / 2}, 1)


def test_the_worst_frame_stands_beside_each_mean_and_the_share_of_frames_under_another(tmp_path):
    net, cubic = series(25.0, 14.0, 24.0, 22.97), series(23.0, 23.0, 23.0, 23.0)
    lines = table(net, "PPMSVSR", {"Bicubic": cubic}).splitlines()
    titles = ["clip", "by", "frames", "PSNR", "worst", "in frame", "under Bicubic", "s/frame"]
    assert re.split(" {2,}", lines[0]) == titles
    assert [re.split(" {2,}", line)[3:7] for line in lines[1:]] == [
        ["21.4925", "14.0000", "1", "25.00%"],
        ["23.0000", "23.0000", "0", "-"],
        ["30.0000", "30.0000", "0", "0.00%"],
        ["30.0000", "30.0000", "0", "-"],
        ["25.7462", "14.0000", "1 of one", "16.67%"],
        ["26.5000", "23.0000", "0 of one", "-"],
    ]
    write_json(tmp_path / "results.json", net, {}, {"Bicubic": cubic})
    tree = json.loads((tmp_path / "results.json").read_text())
    assert tree["worst"] == {"clip": "one", "frame": 1, "value": 14.0} and tree["under"] == {"Bicubic": 1 / 6}
    one = tree["clips"][0]
    assert (one["worst"], one["worst_frame"], one["under"]) == (14.0, 1, {"Bicubic": 0.25}) and "by_frame" not in one
    assert tree["beside"]["Bicubic"]["worst"]["value"] == 23.0 and "under" not in tree["beside"]["Bicubic"]
    write_csv(tmp_path / "results.csv", net, "PPMSVSR", {"Bicubic": cubic})
    rows = list(csv.DictReader((tmp_path / "results.csv").open(newline="")))
    assert [(row["worst"], row["worst_frame"], row["under_bicubic"]) for row in rows] == [
        ("14.0", "1", "0.25"),
        ("23.0", "0", ""),
        ("30.0", "0", "0.0"),
        ("30.0", "0", ""),
        ("14.0", "1 of one", str(1 / 6)),
        ("23.0", "0 of one", ""),
    ]


def test_without_rivals_the_worst_frame_stands_alone():
    assert table(series(25.0, 14.0)).splitlines()[1].split() == ["one", "2", "19.5000", "14.0000", "1", "0.1000"]
