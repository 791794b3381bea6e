"""Paths become pairs of clips, pairs become scores, a table and files."""

import json

import cv2
import numpy as np
import pytest

from ppvsr.errors import DataError, UsageError, VideoError
from ppvsr.evaluate.metrics import psnr
from ppvsr.evaluate.score import (
    FilmFrames,
    Measurement,
    Reel,
    Run,
    pair,
    score_films,
    score_results,
    score_variant,
    shrunk,
)
from ppvsr.resize import resize
from ppvsr.video.open import open_source
from ppvsr.weights.zoo import find_variant
from tests.films import make_film, pictures


class Lines:
    """A reporter that keeps what it hears."""

    def __init__(self):
        self.lines, self.steps = [], []

    def say(self, line):
        self.lines += line.splitlines()

    def progress(self, done, total):
        self.steps.append((done, total))


def write(folder, images):
    folder.mkdir(parents=True)
    for index, image in enumerate(images):
        cv2.imwrite(str(folder / f"{index}.png"), image[..., ::-1])  # 10.png comes after 9.png
    return folder


def noisy(images, seed=0):
    rng = np.random.default_rng(seed)
    return [np.clip(image + rng.normal(0, 5, image.shape), 0, 255).astype(np.uint8) for image in images]


def frames_of(film):
    with open_source(film) as source:
        return [frame.image for frame in source]


def test_a_reel_gives_any_frame_in_any_order_and_decodes_in_order_once(tmp_path, monkeypatch):
    film = make_film(tmp_path / "a.mp4", 6)
    expected = frames_of(film)
    opened = []
    monkeypatch.setattr("ppvsr.evaluate.score.open_source", lambda *a, **k: opened.append(a) or open_source(*a, **k))
    with Reel(film) as reel:
        clip = FilmFrames(reel)
        assert clip.shape == (6, 32, 48, 3) and len(clip) == 6
        for index in (0, 1, 1, 2, 5):
            assert np.array_equal(clip[index], expected[index])
        assert len(opened) == 2  # to count, and to read
        assert np.array_equal(clip[2], expected[2])
        assert len(opened) == 3  # once more to go back
        part = clip.take([3, 1]).crop(4, 8, 16, 12).crop(1, 2, 8, 4).take([1, 0, 1])
        assert part.shape == (3, 8, 4, 3)
        assert np.array_equal(part.array(), np.stack(expected)[[1, 3, 1], 5:13, 10:14])
    with Reel(film, 4) as reel:
        assert FilmFrames(reel).shape[0] == 4


def test_a_film_of_ten_bits_is_measured_in_eight(tmp_path):
    folder = tmp_path / "deep"
    folder.mkdir()
    cv2.imwrite(str(folder / "0.png"), np.full((16, 16, 3), 257 * 77, np.uint16))
    with Reel(folder) as reel:
        assert FilmFrames(reel)[0].dtype == np.uint8 and (FilmFrames(reel)[0] == 77).all()


def test_a_damaged_film_is_refused(tmp_path):
    whole = make_film(tmp_path / "whole.mkv", 100)
    damaged = tmp_path / "cut.mkv"
    damaged.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    with pytest.raises(DataError, match=r"cut\.mkv: is damaged"):
        Reel(damaged)


@pytest.mark.parametrize("kind", ["pictures", "clips", "nested", "films", "film and pictures"])
def test_everything_that_holds_frames_can_be_paired(tmp_path, kind):
    images = list(pictures(12, 32, 48))
    if kind in ("films", "film and pictures"):
        gt = make_film(tmp_path / "gt.mp4", 12)
        sr = make_film(tmp_path / "sr.mp4", 12) if kind == "films" else write(tmp_path / "sr", frames_of(gt))
        names = ["sr"]
    else:
        names = {"pictures": ["sr"], "clips": ["a", "b"], "nested": ["00001/0001", "00001/0002"]}[kind]
        sr, gt = tmp_path / "sr", tmp_path / "gt"
        for name in names:
            for side in (sr, gt):
                write(side if kind == "pictures" else side / name, images)
    with pair(sr, gt, frames=11) as pairs:
        clips = [pairs.clip(index) for index in range(len(pairs))]
        assert [clip.key for clip in clips] == names
        for clip in clips:
            assert len(clip.lq) == len(clip.gt) == 11
            assert all(np.array_equal(clip.lq[i], clip.gt[i]) for i in range(11))  # numbers in order, on both sides


def test_clips_that_one_side_lacks_are_named(tmp_path):
    image = next(pictures(1))
    for name in ("a", "b"):
        write(tmp_path / "sr" / name, [image])
    for name in ("b", *(f"c{i}" for i in range(10))):
        write(tmp_path / "gt" / name, [image])
    with pytest.raises(DataError, match="gt: lacks the clips a; both sides"), pair(tmp_path / "sr", tmp_path / "gt"):
        pass
    with (
        pytest.raises(DataError, match="sr: lacks the clips c0, c1, c2, c3, c4, c5, c6, c7 and 2 more"),
        pair(tmp_path / "gt", tmp_path / "sr"),
    ):
        pass


def test_folders_without_pictures_and_missing_films_are_refused(tmp_path):
    film = make_film(tmp_path / "film.mp4")
    (tmp_path / "empty" / "deeper").mkdir(parents=True)
    with pytest.raises(UsageError, match="empty: holds neither pictures nor folders"), pair(tmp_path / "empty", film):
        pass
    with pytest.raises((UsageError, VideoError), match=r"missing\.mp4"), pair(film, tmp_path / "missing.mp4"):
        pass


def test_films_are_shrunk_by_matlabs_bicubic_and_cut_to_a_multiple_of_the_scale(tmp_path):
    film = make_film(tmp_path / "odd.mp4", 3, height=38, width=50)
    truth = [image[:36, :48] for image in frames_of(film)]
    with shrunk([film], 4, frames=2) as pairs:
        clip = pairs.clip(0)
        assert clip.key == "odd" and clip.gt.shape == (2, 36, 48, 3) and clip.lq.shape == (2, 9, 12, 3)
        for index in range(2):
            assert np.array_equal(clip.gt[index], truth[index])
            assert np.array_equal(clip.lq[index], resize(truth[index], 9, 12))


def test_two_films_of_one_name_and_tiny_ones_are_refused(tmp_path):
    (tmp_path / "x").mkdir()
    films = [make_film(tmp_path / "a.mp4"), make_film(tmp_path / "x" / "a.mkv")]
    with pytest.raises(UsageError, match="two of these have one name"), shrunk(films, 4):
        pass
    tiny = write(tmp_path / "tiny", [np.zeros((3, 9, 3), np.uint8)])
    with pytest.raises(DataError, match="tiny: 9x3 is too small to be made 4 times smaller"), shrunk([tiny], 4):
        pass


def test_results_are_measured_written_and_shown(tmp_path):
    images = list(pictures(3))
    bad = noisy(images)
    sr, gt = write(tmp_path / "sr", bad), write(tmp_path / "gt", images)
    hear = Lines()
    what = Measurement(crop_border=2, y=True, frames=2, output=tmp_path / "out", save_img=True)
    scores = score_results(sr, gt, what, hear)
    expected = np.mean([psnr(a, b, crop_border=2, y=True) for a, b in zip(bad[:2], images[:2], strict=True)])
    assert scores.mean["psnr"] == pytest.approx(expected)
    assert hear.steps == [(1, 2), (2, 2)]
    assert "PSNR and SSIM on Y, 2 pixels cut at each edge" in hear.lines
    assert any(line.startswith("mean") and f"{expected:.4f}" in line for line in hear.lines)
    tree = json.loads((tmp_path / "out" / "results.json").read_text())
    assert tree["mean"]["psnr"] == scores.mean["psnr"] and tree["results"] == str(sr) and tree["truth"] == str(gt)
    assert tree["measured"] == {"crop_border": 2, "y": True, "flicker": False, "frames": 2, "save_img": True}
    assert {"ppvsr", "python", "numpy", "opencv"} <= set(tree["versions"])
    files = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert files == ["pictures/sr/00000000.png", "pictures/sr/00000001.png", "results.csv", "results.json"]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (list(pictures(2)), "sr: 2 frames to be measured against 3 of the truth"),
        (list(pictures(3, 32, 44)), "sr, frame 0: the result is 44x32, but the truth is 48x32"),
    ],
)
def test_results_that_do_not_fit_are_refused_and_nothing_is_written(tmp_path, images, message):
    sr, gt = write(tmp_path / "sr", images), write(tmp_path / "gt", pictures(3))
    with pytest.raises(DataError, match=message):
        score_results(sr, gt, Measurement(output=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_damaged_picture_is_named(tmp_path):
    sr, gt = write(tmp_path / "sr", pictures(3)), write(tmp_path / "gt", pictures(3))
    (gt / "1.png").write_bytes((gt / "1.png").read_bytes()[:60])
    with pytest.raises(DataError, match=r"1\.png: is damaged"):
        score_results(sr, gt, Measurement())


@pytest.mark.slow
def test_a_variant_is_run_and_measured_and_its_weights_are_recorded(tmp_path):
    truth = list(pictures(2, 64, 72))
    lq = write(tmp_path / "lq", [resize(image, 16, 18) for image in truth])
    gt = write(tmp_path / "gt", truth)
    hear = Lines()
    run, row = Run("PPMSVSR", device="cpu", whole=True), find_variant("PPMSVSR").pick()
    scores = score_variant(run, lq, gt, Measurement(output=tmp_path / "out", flicker=True), hear)
    assert scores.mean["psnr"] > 30 and scores.mean["warping_error"] >= 0
    tree = json.loads((tmp_path / "out" / "results.json").read_text())
    assert tree["variant"] == "PPMSVSR"
    assert tree["weights"]["file"].endswith(row.file)
    assert tree["weights"]["sha256"] == row.sha256
    assert tree["run"]["whole"] is True and "paddle" in tree["versions"]
    assert any(line.startswith(f"PPMSVSR: weights '{row.name}', trained on") for line in hear.lines)


@pytest.mark.slow
def test_films_are_measured_with_bicubic_beside_the_variant(tmp_path):
    films = [make_film(tmp_path / f"{name}.mp4", 2, height=64, width=64) for name in "ab"]
    hear = Lines()
    what = Measurement(y=True, output=tmp_path / "out", save_img=True)
    score_films(Run("PPMSVSRSmall", device="cpu"), films, what, hear)
    rows = [line.split()[:2] for line in hear.lines if line.startswith(("a ", "b ", "mean "))]
    assert rows == [[clip, by] for clip in ("a", "b", "mean") for by in ("PPMSVSRSmall", "Bicubic")]
    tree = json.loads((tmp_path / "out" / "results.json").read_text())
    baseline = tree["beside"]["Bicubic"]["mean"]["psnr"]
    expected = [
        np.mean([psnr(resize(resize(image, 16, 16), 64, 64), image, y=True) for image in frames_of(film)])
        for film in films
    ]
    assert baseline == pytest.approx(np.mean(expected)) and tree["mean"]["psnr"] != baseline
    assert tree["worst"]["value"] == min(clip["worst"] for clip in tree["clips"]) and 0 <= tree["under"]["Bicubic"] <= 1
    assert any("in frame" in line and "under Bicubic" in line for line in hear.lines)
    assert hear.steps[-1] == (8, 8)
    saved = cv2.imread(str(tmp_path / "out" / "pictures" / "a" / "00000000.png"))[..., ::-1]
    assert not np.array_equal(saved, resize(resize(frames_of(films[0])[0], 16, 16), 64, 64))  # the variant's


def test_bicubic_needs_no_baseline_beside_it(tmp_path):
    hear = Lines()
    score_films(Run("Bicubic"), [make_film(tmp_path / "a.mp4", 2)], Measurement(), hear)
    assert [line.split()[0] for line in hear.lines if "Bicubic" in line and ":" not in line] == ["a", "mean"]


def test_pictures_need_a_folder():
    with pytest.raises(UsageError, match="--save-img needs --output"):
        Measurement(save_img=True)
