"""Films as training data: decoded once, cut into scenes, made small on the fly."""

import errno
import os
from collections import namedtuple

import cv2
import numpy as np
import pytest

from ppvsr.data import videos
from ppvsr.data.degrade import BD, H264, JPEG, Blur, Noise
from ppvsr.data.pipeline import (
    GetNeighboringFramesIdx,
    MirrorVideoSequence,
    SRPairedRandomCrop,
    Transforms,
    TransposeSequence,
)
from ppvsr.data.spans import Span
from ppvsr.data.videos import VideoFolderDataset
from ppvsr.errors import ConfigError, DataError
from ppvsr.resize import resize
from ppvsr.video.open import open_source
from tests.video.films import make_film

SIZE = (70, 50)  # width, height: no multiples of 4
CROP = Transforms(pipeline=[SRPairedRandomCrop(scale=4, gt_patch_size=32), TransposeSequence()])


def shots(*lengths):
    """A function of a frame's number: every shot has its own smooth colours, and moves one pixel a frame."""
    starts = np.cumsum([0, *lengths])

    def picture(number):
        shot = int(np.searchsorted(starts, number, side="right")) - 1
        coarse = np.random.default_rng(shot + 7).integers(0, 256, (6, 30, 3)).astype(np.uint8)
        whole = cv2.resize(coarse, (SIZE[0] * 4, SIZE[1]), interpolation=cv2.INTER_CUBIC)
        return whole[:, number : number + SIZE[0]]

    return picture


def film(path, *lengths, **options):
    options = {"size": SIZE, "pix_fmt": "yuv444p", "options": {"crf": "5"}, **options}
    return make_film(path, times=sum(lengths), pictures=shots(*lengths), **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two films: one with scenes of 12, 9 and 14 frames, one of 10 frames; decoded already."""
    folder = tmp_path_factory.mktemp("films")
    film(folder / "long.mp4", 12, 9, 14)
    film(folder / "short.mkv", 10)
    (folder / "notes.txt").write_text("no film")
    ready(folder, num_frames=4)
    return folder


def ready(folder, **options):
    """A data set that is prepared, and what it said."""
    dataset = VideoFolderDataset(folder=str(folder), **options)
    lines = []
    dataset.prepare(lines.append)
    dataset.lines = lines
    return dataset


def rng(seed=0):
    return np.random.default_rng(seed)


def decoded(path):
    with open_source(path) as source:
        return np.stack([frame.image for frame in source])


def hwc(planes):
    return planes.transpose(0, 2, 3, 1)


def small(frames):
    return np.stack([resize(frame, frame.shape[0] // 4, frame.shape[1] // 4) for frame in frames])


def places(whole, frames):
    """Where a run of frames stands in a film."""
    count = len(frames)
    return [i for i in range(len(whole) - count + 1) if np.array_equal(whole[i : i + count], frames)]


def test_every_scene_is_one_index(folder):
    dataset = ready(folder, num_frames=4)
    assert [dataset.load(i, rng())["key"] for i in range(len(dataset))] == ["long@0", "long@12", "long@21", "short@0"]
    assert dataset.lines == ["VideoFolderDataset: 4 scenes of 2 films, 45 frames"]
    assert not dataset.mirrored


def test_a_sample_is_a_part_of_one_scene_and_what_bi_makes_of_it(folder):
    dataset = ready(folder, num_frames=4)
    whole = decoded(folder / "long.mp4")[:, :48, :68]
    found = set()
    for seed in range(40):
        sample = dataset.load(1, rng(seed))
        assert sample["gt"].shape == (4, 3, 48, 68) and sample["gt"].dtype == np.uint8
        found.update(places(whole, hwc(sample["gt"])))
        assert np.array_equal(hwc(sample["lq"]), small(hwc(sample["gt"])))
    assert found == {12, 13, 14, 15, 16, 17}


@pytest.mark.parametrize("operation", [None, [BD()]], ids=["BI", "BD"])
def test_a_patch_equals_that_of_whole_pictures(folder, operation):
    options = {"num_frames": 3, "degradation": operation}
    whole, cropped = ready(folder, **options), ready(folder, **options, preprocess=[CROP])
    for seed in range(12):
        large, patch = whole.load(0, rng(seed)), cropped.load(0, rng(seed))
        lq, gt = hwc(large["lq"]), hwc(large["gt"])
        assert patch["lq"].shape == (3, 3, 8, 8) and patch["gt"].shape == (3, 3, 32, 32)
        corners = [(top, left) for top in range(5) for left in range(10)]
        found = [
            np.array_equal(lq[:, y : y + 8, x : x + 8], hwc(patch["lq"]))
            for y, x in corners
            if np.array_equal(gt[:, 4 * y : 4 * y + 32, 4 * x : 4 * x + 32], hwc(patch["gt"]))
        ]
        assert found == [True]


def test_the_generator_decides_everything(folder):
    losses = [Blur(), Noise(), JPEG(), H264()]
    dataset = ready(folder, num_frames=3, degradation=losses, preprocess=[CROP])
    first, again, other = (dataset.load(0, rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first["lq"], again["lq"]) and np.array_equal(first["gt"], again["gt"])
    assert not np.array_equal(first["lq"], other["lq"])
    fresh = ready(folder, num_frames=3, degradation=losses, preprocess=[CROP]).load(0, rng(1))
    assert np.array_equal(first["lq"], fresh["lq"])


def test_frames_may_run_backwards_at_distances(folder):
    step = GetNeighboringFramesIdx(interval_list=[3], reverse_prob=1.0)
    dataset = ready(folder, num_frames=4, preprocess=[step, CROP])
    assert len(dataset) == 3 and "1 scenes shorter than 10 frames are left out" in dataset.lines[-1]
    whole = decoded(folder / "short.mkv")[:, :48, :68]
    gt = hwc(ready(folder, num_frames=4, preprocess=[step]).load(2, rng())["gt"])
    assert np.array_equal(gt, whole[[9, 6, 3, 0]])


def test_mirrored_is_what_the_pipeline_says(folder):
    steps = [Transforms(pipeline=[MirrorVideoSequence(), TransposeSequence()])]
    dataset = ready(folder, num_frames=3, preprocess=steps)
    assert dataset.mirrored
    assert dataset.load(0, rng())["lq"].shape == (6, 3, 12, 17)


def test_films_are_decoded_once(folder, monkeypatch):
    monkeypatch.setattr(videos, "open_source", lambda path: pytest.fail("decoded again"))
    dataset = ready(folder, num_frames=4)
    dataset.prepare(lambda line: pytest.fail("prepared again"))
    assert len(dataset) == 4


def test_what_is_decoded_is_told(tmp_path):
    film(tmp_path / "a.mp4", 9, 9)
    dataset = ready(tmp_path, num_frames=4)
    assert dataset.lines[0] == "decoded 1 of 1: a.mp4, 18 frames 70x50, 2 scenes"
    assert len(list((tmp_path / ".ppvsr-cache").iterdir())) == 2


def test_a_changed_film_is_decoded_anew_and_the_old_one_is_forgotten(tmp_path):
    film(tmp_path / "a.mp4", 9)
    assert len(ready(tmp_path, test_mode=True).clip(0).gt) == 9
    film(tmp_path / "a.mp4", 11)
    assert len(ready(tmp_path, test_mode=True).clip(0).gt) == 11
    assert len(list((tmp_path / ".ppvsr-cache").iterdir())) == 2


@pytest.mark.parametrize("ending", [".npy", ".json"])
def test_a_damaged_cache_is_made_anew(tmp_path, ending):
    film(tmp_path / "a.mp4", 9)
    ready(tmp_path, num_frames=4)
    broken = next((tmp_path / ".ppvsr-cache").glob(f"*{ending}"))
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])
    dataset = ready(tmp_path, num_frames=4)
    assert dataset.lines[0].startswith("decoded 1 of 1")
    assert dataset.load(0, rng())["gt"].shape == (4, 3, 48, 68)


def test_frames_and_facts_that_do_not_belong_together_are_made_anew(tmp_path):
    film(tmp_path / "a.mp4", 9)
    ready(tmp_path, num_frames=4)
    np.save(next((tmp_path / ".ppvsr-cache").glob("*.npy")), np.zeros((5, 50, 70, 3), np.uint8))
    assert len(ready(tmp_path, num_frames=4).clip(0).gt.array()) == 4
    assert len(ready(tmp_path, test_mode=True).clip(0).gt) == 9


def test_the_cache_may_lie_elsewhere(tmp_path):
    (tmp_path / "films").mkdir()
    film(tmp_path / "films" / "a.mp4", 9)
    ready(tmp_path / "films", num_frames=4, cache=str(tmp_path / "new" / "cache"))
    assert len(list((tmp_path / "new" / "cache").iterdir())) == 2
    assert [each.name for each in (tmp_path / "films").iterdir()] == ["a.mp4"]


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    film(tmp_path / "a.mp4", 9)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"file: decoded films cannot be written: .*; set `cache` to a folder"):
        ready(tmp_path, num_frames=4, cache=str(tmp_path / "file"))


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    film(tmp_path / "a.mp4", 9)

    def full(source, file, report):
        file.write(b"half a film")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(videos, "decode", full)
    with pytest.raises(DataError, match="No space left on device; set `cache`"):
        ready(tmp_path, num_frames=4)
    assert list((tmp_path / ".ppvsr-cache").iterdir()) == []


def test_a_film_that_does_not_fit_on_the_disk_is_not_begun(tmp_path, monkeypatch):
    film(tmp_path / "a.mp4", 9)
    monkeypatch.setattr(videos.shutil, "disk_usage", lambda path: namedtuple("Usage", "free")(9 * 70 * 50 * 3 - 1))
    with pytest.raises(DataError, match=r"a.mp4 takes 0.0 GB when decoded, and 0.0 GB are free; set `cache`"):
        ready(tmp_path, num_frames=4)


def test_films_that_cannot_be_decoded_are_all_named(tmp_path):
    film(tmp_path / "good.mp4", 9)
    for number in range(10):
        (tmp_path / f"bad{number}.mp4").write_bytes(b"no film at all")
    with pytest.raises(DataError) as error:
        ready(tmp_path, num_frames=4)
    lines = str(error.value).splitlines()
    assert "films that cannot be used; repair or remove them, or list them in `skip`" in lines[0]
    assert [f"bad{i}.mp4" in line for i, line in enumerate(lines[1:9])] == [True] * 8
    assert lines[9] == "... and 2 more"


def test_a_damaged_film_is_used_as_far_as_it_goes(tmp_path):
    path = film(tmp_path / "a.mp4", 40, gop=5, muxer_options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    for _ in range(2):  # also when it comes from the cache
        dataset = ready(tmp_path, num_frames=4)
        assert any("a.mp4: damaged, its" in line and "frames are missing" in line for line in dataset.lines)
        assert 4 <= len(dataset.clip(0).gt) < 40


def test_names_choose_films_and_skip_leaves_some_out(folder, tmp_path):
    (tmp_path / "list.txt").write_text("long\n\n")
    assert len(ready(folder, num_frames=4, names=str(tmp_path / "list.txt"))) == 3
    (tmp_path / "list.txt").write_text("long.mp4\n")
    assert len(ready(folder, num_frames=4, skip=str(tmp_path / "list.txt"))) == 1


def test_unknown_names_are_errors_with_a_close_name(folder, tmp_path):
    (tmp_path / "list.txt").write_text("lnog.mp4\nshort\nzzz\n")
    with pytest.raises(
        DataError, match=r"films that are not in the folder\n'lnog.mp4'; did you mean 'long.mp4'\?\n'zzz'"
    ):
        ready(folder, num_frames=4, names=str(tmp_path / "list.txt"))
    with pytest.raises(DataError, match="`skip` must be a text file with one film a line"):
        ready(folder, num_frames=4, skip=str(tmp_path / "missing.txt"))
    (tmp_path / "list.txt").write_text("long\nshort\n")
    with pytest.raises(DataError, match="`names` and `skip` leave no film"):
        ready(folder, num_frames=4, skip=str(tmp_path / "list.txt"))


def test_films_smaller_than_the_patch_are_named(folder):
    steps = [Transforms(pipeline=[SRPairedRandomCrop(scale=4, gt_patch_size=52), TransposeSequence()])]
    with pytest.raises(
        DataError, match=r"long.mp4: is 70x50; patches of 52 do not fit, with sides cut to multiples of 4"
    ):
        ready(folder, num_frames=4, preprocess=steps)


def test_short_scenes_are_left_out_and_counted(folder):
    dataset = ready(folder, num_frames=11)
    assert len(dataset) == 2
    assert dataset.lines[-1].endswith("; 2 scenes shorter than 11 frames are left out")
    with pytest.raises(DataError, match="no scene of any film has the 15 frames that a sample needs"):
        ready(folder, num_frames=15)


def test_a_test_clip_is_the_whole_film(folder):
    dataset = ready(folder, test_mode=True)
    assert len(dataset) == 2
    clip = dataset.clip(0)
    assert clip.key == "long" and clip.lq.shape == (35, 12, 17, 3) and clip.gt.shape == (35, 48, 68, 3)
    whole = decoded(folder / "long.mp4")[:, :48, :68]
    assert np.array_equal(clip.gt.array(), whole)
    assert np.array_equal(clip.lq.array(), small(whole))
    assert np.array_equal(clip.lq[20], small(whole)[20])


def test_a_test_clip_may_be_the_middle_of_the_film(folder):
    dataset = ready(folder, test_mode=True, num_frames=5)
    assert np.array_equal(dataset.clip(0).gt.array(), decoded(folder / "long.mp4")[15:20, :48, :68])
    assert dataset.load(0, rng(1))["lq"].shape == (5, 3, 12, 17)
    with pytest.raises(DataError, match=r"short.mkv: has 10 frames, num_frames is 11"):
        ready(folder, test_mode=True, num_frames=11)


def test_a_test_clip_is_the_same_every_time(folder):
    options = {"test_mode": True, "degradation": [Noise(gaussian=[1, 20]), H264()]}
    first, again = (ready(folder, **options) for _ in range(2))
    lq = first.clip(0).lq.array()
    assert np.array_equal(lq, again.clip(0).lq.array())
    assert np.array_equal(lq.transpose(0, 3, 1, 2), again.load(0, rng(5))["lq"])
    assert not np.array_equal(lq[:10], first.clip(1).lq.array())


def test_films_of_the_same_name_keep_their_endings_as_keys(tmp_path):
    film(tmp_path / "a.mp4", 9)
    film(tmp_path / "a.mkv", 9)
    dataset = ready(tmp_path, test_mode=True)
    assert [dataset.clip(i).key for i in range(2)] == ["a.mkv", "a.mp4"]


def test_a_constructor_reads_nothing_and_preparing_names_what_is_missing(tmp_path):
    dataset = VideoFolderDataset(folder=str(tmp_path / "nowhere"), num_frames=4)
    with pytest.raises(
        DataError, match=r"nowhere: cannot be listed: No such file or directory; `folder` holds the films"
    ):
        dataset.prepare(print)
    with pytest.raises(RuntimeError, match="prepare"):
        len(dataset)
    with pytest.raises(DataError, match=r"holds no films \(.*\.mp4"):
        ready(tmp_path, num_frames=4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "num_frames is needed for training"),
        ({"num_frames": 0}, "num_frames must be 1 or more, got 0"),
        ({"num_frames": 3, "scale": 2, "preprocess": [CROP]}, "scale is 2, that of SRPairedRandomCrop 4"),
        ({"num_frames": 3, "degradation": [BD(scale=2)]}, "2 times smaller, scale is 4"),
        ({"test_mode": True, "preprocess": [CROP]}, "must not be random; remove SRPairedRandomCrop"),
        (
            {"num_frames": 3, "preprocess": [GetNeighboringFramesIdx(interval_list=[1], filename_tmpl="{:08d}.png")]},
            "films have no file names; remove filename_tmpl",
        ),
    ],
)
def test_options_that_cannot_work_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        VideoFolderDataset(folder="films", **options)


def test_ten_bits_become_the_nearest_of_eight(tmp_path):
    film(tmp_path / "a.mkv", 9, pix_fmt="yuv420p10le")
    gt = ready(tmp_path, test_mode=True).clip(0).gt.array()
    assert gt.dtype == np.uint8
    assert np.abs(gt.astype(int) - decoded(tmp_path / "a.mkv")[:, :48, :68] / 257).max() <= 0.51


def test_scenes_that_are_too_short_for_a_span_go_forth_and_back(folder):
    dataset = ready(folder, num_frames=4, preprocess=[CROP])
    for index in range(len(dataset)):
        sample = dataset.load(index, rng(), Span(6, 20, 10))
        assert sample["gt"].shape == (36, 3, 32, 32) and sample["lq"].shape == (36, 3, 8, 8)
        steps = np.abs(np.diff(sample["gt"].astype(int), axis=0)).mean((1, 2, 3))
        assert steps.max() < 30  # no cut
        assert len({frame.tobytes() for frame in sample["gt"]}) < 15
    one, other = dataset.load(0, rng(3)), dataset.load(0, rng(3), Span(4))
    assert np.array_equal(one["gt"], other["gt"]) and np.array_equal(one["lq"], other["lq"])


def test_films_bounce_in_tests_if_they_are_told_to(folder):
    dataset = ready(folder, num_frames=100, test_mode=True, bounce=True)
    for index in range(len(dataset)):
        clip, film = dataset.clip(index), ready(folder, test_mode=True).clip(index)
        assert len(clip.gt) == len(clip.lq) == 100
        last = len(film.gt) - 1
        for place, frame in ((0, 0), (last, last), (last + 1, last - 1), (2 * last, 0), (2 * last + 3, 3)):
            assert np.array_equal(clip.gt[place], film.gt[frame]) and np.array_equal(clip.lq[place], film.lq[frame])
    with pytest.raises(DataError, match="num_frames is 100"):
        ready(folder, num_frames=100, test_mode=True)
