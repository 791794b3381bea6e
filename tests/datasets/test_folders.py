import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppvsr.data.clips import Dataset, RepeatDataset
from ppvsr.data.folders import VSRFolderDataset, VSRREDSMultipleGTDataset, VSRVimeo90KDataset
from ppvsr.data.pipeline import (
    GetNeighboringFramesIdx,
    NormalizeSequence,
    SRPairedRandomCrop,
    Transforms,
    TransposeSequence,
)
from ppvsr.errors import ConfigError, DataError
from tests.datasets.trees import (
    CHOOSE,
    READ,
    TEST,
    TRAIN,
    generator,
    picture,
    reds,
    silent,
    transform,
    vimeo,
    write_clip,
)

SEPTUPLETS = [*READ, transform("crop", "TransposeSequence", "MirrorVideoSequence", "NormalizeSequence")]


def prepared(dataset, report=silent):
    dataset.prepare(report)
    return dataset


def keys(dataset):
    return [dataset.clip(index).key for index in range(len(dataset))]


def reds_set(options, **more):
    return VSRREDSMultipleGTDataset(**{"num_frames": 3, "preprocess": TRAIN, **options, **more})


def test_a_training_item_has_the_shapes_of_paddlegan_in_bytes(tmp_path):
    crop = Transforms(
        pipeline=[SRPairedRandomCrop(scale=4, gt_patch_size=256), TransposeSequence(), NormalizeSequence()]
    )
    options = reds(tmp_path, ["001"], frames=5, size=(66, 70))
    sample = prepared(reds_set(options, preprocess=[CHOOSE, *READ, crop])).load(0, generator())
    assert sample["lq"].shape == (3, 3, 64, 64) and sample["gt"].shape == (3, 3, 256, 256)
    assert sample["lq"].dtype == sample["gt"].dtype == np.uint8
    assert sample["key"] == "001" and sample["lq"].flags.c_contiguous and sample["gt"].flags.c_contiguous
    assert np.array_equal(sample["gt"][..., ::4, ::4], sample["lq"])


def test_frames_windows_and_flips_of_a_pair_belong_together(tmp_path):
    dataset, seen = prepared(reds_set(reds(tmp_path))), set()
    for number in range(40):
        sample = dataset.load(number % 2, generator(number))
        # LQ is every fourth pixel of GT, counted from where the flips have put the corner
        corners = [(y, x) for y in (0, 3) for x in (0, 3)]
        seen |= {
            each for each in corners if np.array_equal(sample["gt"][..., each[0] :: 4, each[1] :: 4], sample["lq"])
        }
        assert seen
    assert seen == set(corners)


def test_an_item_follows_from_its_generator_alone(tmp_path):
    one, other = (prepared(reds_set(reds(tmp_path))) for _ in range(2))
    other.load(1, generator(9))
    for half in ("lq", "gt"):
        assert np.array_equal(one.load(0, generator(5))[half], other.load(0, generator(5))[half])
        assert not np.array_equal(one.load(0, generator(5))[half], one.load(0, generator(6))[half])


@pytest.mark.parametrize(
    ("partition", "test_mode", "expected"),
    [
        ("REDS4", False, ["001", "240"]),
        ("REDS4", True, ["000", "020"]),
        ("official", False, ["000", "001", "020"]),
        ("official", True, ["240"]),
    ],
)
def test_reds_is_parted_into_training_and_validation(partition, test_mode, expected, tmp_path):
    options = reds(tmp_path, ["240", "020", "001", "000"])
    dataset = prepared(reds_set(options, preprocess=TEST, val_partition=partition, test_mode=test_mode))
    assert keys(dataset) == expected and isinstance(dataset, Dataset)


def test_the_order_is_the_same_in_every_process(tmp_path):
    names = [f"{number:03d}" for number in (7, 3, 100, 1, 9, 55)]
    options = reds(tmp_path, names, frames=3, size=(4, 4))
    code = f"from tests.datasets.test_folders import *\nprint(keys(prepared(reds_set({options!r}, preprocess=TEST))))"
    results = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert results == {f"{sorted(names)}\n"}


def test_lists_may_have_blank_lines_duplicates_windows_line_ends_and_a_mark(tmp_path):
    options = vimeo(tmp_path)
    text = "\ufeff00002/0003 7 (256, 448, 3)\r\n\r\n00001/0001\r\n00002/0003\r\n   \r\n"
    (tmp_path / "list.txt").write_bytes(text.encode())
    dataset = prepared(VSRVimeo90KDataset(**options, preprocess=[*READ, TEST[-1]], test_mode=True))
    assert keys(dataset) == ["00001/0001", "00002/0003"]


def test_septuplets_are_whole_and_mirrored(tmp_path):
    dataset = prepared(VSRVimeo90KDataset(**vimeo(tmp_path), preprocess=SEPTUPLETS))
    sample = dataset.load(1, generator())
    assert sample["lq"].shape == (14, 3, 8, 8) and sample["gt"].shape == (14, 3, 32, 32)
    assert np.array_equal(sample["gt"], sample["gt"][::-1]) and dataset.mirrored
    assert sample["key"] == "00002/0003"


@pytest.mark.parametrize("inside", [True, False])
def test_vimeo_is_found_in_both_places_of_the_document(inside, tmp_path):
    options = vimeo(tmp_path / "made")
    root = tmp_path / "vimeo90k"
    here, there = (root / "vimeo_septuplet", root) if inside else (root, root / "vimeo_septuplet")
    here.mkdir(parents=True)
    for old, new in (("lq", "BIx4"), ("gt", "sequences"), ("list.txt", "sep_trainlist.txt")):
        shutil.move(tmp_path / "made" / old, here / new)
    options = {
        "lq_folder": f"{there}/BIx4/",
        "gt_folder": f"{there}/sequences",
        "ann_file": f"{there}/sep_trainlist.txt",
    }
    lines = []
    assert len(prepared(VSRVimeo90KDataset(**options, preprocess=SEPTUPLETS), lines.append)) == 2
    assert lines[0] == f"{there}/BIx4 is not there; {here}/BIx4 is taken"
    assert "2 clips, 14 frames, LQ 32x24, GT 128x96" in lines[-1]
    with pytest.raises(DataError) as caught:
        VSRVimeo90KDataset(**{**options, "lq_folder": f"{there}/BIx2"}, preprocess=SEPTUPLETS).prepare(silent)
    for place in (f"{there}/BIx2", f"{here}/BIx2", "tools/vimeo_preprocess.py"):
        assert place in str(caught.value)


def test_any_folder_of_clips_is_a_data_set_whatever_its_pictures_are_called(tmp_path):
    names = ["frame2.png", "frame10.png", "frame1.png"]
    write_clip(tmp_path, "walk", names)
    write_clip(tmp_path, "city", names[:2])
    dataset = prepared(
        VSRFolderDataset(lq_folder=f"{tmp_path}/lq/", gt_folder=f"{tmp_path}/gt//", preprocess=TEST, test_mode=True)
    )
    assert keys(dataset) == ["city", "walk"]
    clip = dataset.clip(1)
    first = cv2.imread(str(tmp_path / "gt/walk/frame1.png"))[..., ::-1]
    assert clip.gt.shape == (3, 96, 128, 3) and np.array_equal(clip.gt[0], first)
    assert dataset.load(1, generator())["gt"].shape == (3, 3, 96, 128)


def test_repeating_draws_anew(tmp_path):
    dataset = RepeatDataset(dataset=prepared(reds_set(reds(tmp_path))), times=1000)
    assert len(dataset) == 2000 and not dataset.mirrored and isinstance(dataset, Dataset)
    assert dataset.load(3, generator(1))["key"] == dataset.load(1001, generator(2))["key"] == "002"
    with pytest.raises(ConfigError, match="RepeatDataset: times must be 1 or more, got 0"):
        RepeatDataset(dataset=dataset, times=0)


def test_looking_twice_lists_once(tmp_path):
    lines, dataset = [], reds_set(reds(tmp_path))
    for _ in range(2):
        dataset.prepare(lines.append)
    assert lines == ["VSRREDSMultipleGTDataset: 2 clips, 12 frames, LQ 32x24, GT 128x96"]


def _remove_picture(root):
    (root / "lq/001/00000003.png").unlink()


def _rename_picture(root):
    (root / "lq/001/00000003.png").rename(root / "lq/001/00000009.png")


def _shorten(root):
    for half in ("lq", "gt"):
        for number in range(2, 6):
            (root / half / f"001/{number:08d}.png").unlink()


def _empty(root):
    shutil.rmtree(root / "lq/001")
    (root / "lq/001").mkdir()


def _list_only(*words):
    return lambda root: (root / "meta.txt").write_text("\n".join(words))


def _swap(root):
    for old, new in (("lq", "other"), ("gt", "lq"), ("other", "gt")):
        (root / old).rename(root / new)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: shutil.rmtree(root / "lq/001"), r"/lq/001: no such clip"),
        (
            lambda root: shutil.rmtree(root / "gt/002"),
            r"prepare_reds.py makes these folders.*\n.*/gt/002: no such clip",
        ),
        (_empty, "/lq/001: holds no pictures"),
        (_remove_picture, "001: has 5 LQ pictures and 6 GT pictures; both need the same"),
        (_rename_picture, "001: holds 00000004.png in LQ where GT holds 00000003.png; both need the same names"),
        (_shorten, "/gt/001: has 2 pictures, 3 are needed"),
        (
            lambda root: shutil.rmtree(root / "gt"),
            r"MultipleGTDataset.gt_folder: there is no .*/gt; tools/prepare_reds.py",
        ),
        (
            lambda root: (root / "meta.txt").unlink(),
            "MultipleGTDataset.ann_file: there is no .*/meta.txt; tools/prepare_reds",
        ),
        (_list_only(""), "meta.txt: lists no clips"),
        (
            _list_only("000/1.png", "011/1.png"),
            "of its 2 clips all are in val_partition REDS4 .000 ... 020., so there is",
        ),
        (_list_only("../gt/000"), "'../gt/000' is no name of a clip"),
        (_list_only("/etc/000"), "'/etc/000' is no name of a clip"),
        (
            lambda root: (root / "meta.txt").write_bytes(b"\xff\x00\xfe"),
            "meta.txt: is no list of clips but a binary file",
        ),
        (_swap, "clip 001: LQ 128x96, GT 32x24; GT must be LQ times a whole number. Are the folders swapped"),
    ],
)
def test_what_is_wrong_with_the_data_is_told_before_training(spoil, message, tmp_path):
    options = reds(tmp_path)
    spoil(tmp_path)
    with pytest.raises(DataError, match=message):
        reds_set(options).prepare(silent)


def test_an_unreadable_list_is_named(tmp_path):
    options = reds(tmp_path)
    (tmp_path / "meta.txt").unlink()
    (tmp_path / "meta.txt").mkdir()
    with pytest.raises(DataError, match=r"meta.txt: cannot be read: Is a directory; ann_file must be the list"):
        reds_set(options).prepare(silent)


def test_eight_problems_are_told_at_once_and_no_more(tmp_path):
    options = reds(tmp_path, [f"1{number:02d}" for number in range(12)], frames=3, size=(4, 4))
    for number in range(10):
        shutil.rmtree(tmp_path / f"lq/1{number:02d}")
    with pytest.raises(DataError) as caught:
        reds_set(options).prepare(silent)
    lines = str(caught.value).splitlines()
    assert len(lines) == 10 and lines[-1] == "and perhaps more"
    assert all(f"lq/1{number:02d}: no such clip" in line for number, line in enumerate(lines[1:9]))


def test_six_pictures_are_no_septuplet(tmp_path):
    options = vimeo(tmp_path)
    for half in ("lq", "gt"):
        (tmp_path / half / "00001/0001/im7.png").unlink()
    with pytest.raises(DataError, match=r"vimeo_preprocess.py.*\n.*/gt/00001/0001: has 6 pictures, 7 are needed"):
        VSRVimeo90KDataset(**options, preprocess=SEPTUPLETS).prepare(silent)


def test_folders_without_clips_are_refused(tmp_path):
    for half in ("lq", "gt"):
        picture(tmp_path / half / "0.png", 1, 4, 4)
    with pytest.raises(DataError, match="hold no clips; every clip is a sub-folder of pictures"):
        VSRFolderDataset(lq_folder=f"{tmp_path}/lq", gt_folder=f"{tmp_path}/gt", preprocess=TEST).prepare(silent)


def test_a_clip_of_which_one_half_is_missing_is_named(tmp_path):
    write_clip(tmp_path, "walk", ["0.png"])
    write_clip(tmp_path, "city", ["0.png"])
    shutil.rmtree(tmp_path / "gt/walk")
    with pytest.raises(DataError, match="/gt/walk: no such clip"):
        VSRFolderDataset(lq_folder=f"{tmp_path}/lq", gt_folder=f"{tmp_path}/gt", preprocess=TEST).prepare(silent)


def test_a_template_must_be_how_pictures_are_called(tmp_path):
    options = reds(tmp_path)

    def with_template(template, start=0):
        choose = GetNeighboringFramesIdx(interval_list=[1], filename_tmpl=template, start_idx=start)
        return reds_set(options, preprocess=[choose, *TEST[1:]])

    with_template("{:08d}.png").prepare(silent)
    with pytest.raises(
        DataError, match=r"/gt/001: holds 00000000.png where .*'{:04d}.png' .* expect 0000.png; correct"
    ):
        with_template("{:04d}.png").prepare(silent)
    with pytest.raises(DataError, match=r"start_idx 1 expect 00000001.png"):
        with_template("{:08d}.png", 1).prepare(silent)
    for half in ("lq", "gt"):
        (tmp_path / half / "001/00000002.png").unlink()
    with pytest.raises(DataError, match=r"holds 00000003.png where .* expect 00000002.png"):
        with_template("{:08d}.png").prepare(silent)


def test_pictures_that_do_not_fit_are_named_with_their_clip_when_they_are_read(tmp_path):
    dataset = prepared(reds_set(reds(tmp_path), num_frames=6))
    path = tmp_path / "gt/002/00000004.png"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataError, match=r"clip 002: .*/gt/002/00000004.png: is damaged or no picture"):
        dataset.load(1, generator())
    for number in range(6):
        picture(tmp_path / f"gt/001/{number:08d}.png", 0, 48, 64)
    with pytest.raises(DataError, match="clip 001: LQ is 32x24, GT is 64x48; SRPairedRandomCrop expects GT to be 4"):
        dataset.load(0, generator())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_frames": 0}, "VSRREDSMultipleGTDataset: num_frames must be 1 or more, got 0"),
        ({"preprocess": TRAIN[1:]}, "num_frames needs GetNeighboringFramesIdx in preprocess"),
        ({"test_mode": True}, "evaluation must not be random; remove SRPairedRandomCrop"),
    ],
)
def test_options_that_cannot_work_are_refused_at_once(options, message):
    with pytest.raises(ConfigError, match=message):
        reds_set({"lq_folder": "a", "gt_folder": "b", "ann_file": "c"}, **options)


def test_a_picture_that_is_missing_in_both_halves_is_noticed_by_the_list(tmp_path):
    options = reds(tmp_path)
    for half in ("lq", "gt"):
        (tmp_path / half / "001/00000002.png").unlink()
    with pytest.raises(DataError, match=r"001: has 5 of the 6 pictures that .*meta\.txt lists"):
        prepared(reds_set(options))
