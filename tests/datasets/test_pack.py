import errno
import os

import numpy as np
import pytest

from ppvsr.data import clips
from ppvsr.data.clips import pack_clips
from ppvsr.data.folders import VSRREDSMultipleGTDataset
from ppvsr.errors import DataError
from tests.datasets.trees import TRAIN, generator, picture, reds, silent


@pytest.fixture
def make(tmp_path):
    """A function that makes the prepared data set, with the pack or without."""
    options = reds(tmp_path)

    def build(packed=True, report=silent):
        where = str(tmp_path / "pack") if packed else None
        dataset = VSRREDSMultipleGTDataset(**options, num_frames=3, preprocess=TRAIN, pack=where)
        dataset.prepare(report)
        return dataset

    return build


def packed_files(folder):
    return sorted(str(path.relative_to(folder)).rsplit(".", 3)[0] for path in folder.rglob("*") if path.is_file())


def test_packed_clips_give_the_same_samples_and_no_picture_is_decoded(make, tmp_path, monkeypatch):
    lines = []
    pack_clips(make(), tmp_path / "pack", lines.append)
    assert lines[-1] == f"{tmp_path}/pack: 4 of 4 halves of clips are packed"
    expected = [make(packed=False).load(index % 2, generator(index)) for index in range(6)]
    dataset = make(report=lines.append)
    assert lines[-1].endswith(f"; 4 of 4 halves of clips are packed in {tmp_path}/pack")
    monkeypatch.setattr("ppvsr.data.clips.read_picture", lambda path: pytest.fail(f"{path} was decoded"))
    for index, sample in enumerate(expected):
        found = dataset.load(index % 2, generator(index))
        assert all(np.array_equal(found[half], sample[half]) for half in ("lq", "gt"))


def test_packing_again_does_only_what_is_missing(make, tmp_path, monkeypatch):
    pack_clips(make(), tmp_path / "pack", silent)
    (lost,) = (tmp_path / "pack/LQ").glob("001.*")
    lost.unlink()
    written = []
    write = clips._write
    monkeypatch.setattr(clips, "_write", lambda path, frames: (written.append(path.name), write(path, frames)))
    pack_clips(make(), tmp_path / "pack", silent)
    assert len(written) == 1 and lost.name in written[0]


def test_a_changed_picture_is_not_taken_from_the_pack_and_the_old_file_goes(make, tmp_path):
    pack_clips(make(), tmp_path / "pack", silent)
    new = picture(tmp_path / "gt/001/00000002.png", 99, 96, 128)
    lines = []
    assert np.array_equal(make(report=lines.append)._half(0, "GT")[2], new)
    assert "3 of 4 halves" in lines[-1]
    pack_clips(make(), tmp_path / "pack", silent)
    assert packed_files(tmp_path / "pack") == ["GT/001", "GT/002", "LQ/001", "LQ/002"]
    assert np.array_equal(make()._half(0, "GT")[2], new)


def test_a_full_disk_leaves_no_half_written_file(make, tmp_path, monkeypatch):
    def full(path, frames):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(clips, "_write", full)
    with pytest.raises(DataError, match=r"/pack/LQ/001\..*\.npy: cannot be written: No space left on device"):
        pack_clips(make(), tmp_path / "pack", silent)
    assert packed_files(tmp_path / "pack") == []


def test_a_damaged_picture_stops_packing_and_is_named(make, tmp_path):
    dataset = make()
    path = tmp_path / "gt/002/00000004.png"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataError, match=r"gt/002/00000004.png: is damaged"):
        pack_clips(dataset, tmp_path / "pack", silent)
    assert not list((tmp_path / "pack/GT").glob("002.*")) and not list(tmp_path.rglob("*.part"))


def test_a_picture_that_goes_missing_is_named(make, tmp_path):
    dataset = make()
    (tmp_path / "gt/002/00000004.png").unlink()
    with pytest.raises(DataError, match=r"gt/002/00000004.png: cannot be read: No such file"):
        pack_clips(dataset, tmp_path / "pack", silent)


def test_data_sets_with_the_same_keys_share_a_folder_in_peace(make, tmp_path):
    pack_clips(make(), tmp_path / "pack", silent)
    other = VSRREDSMultipleGTDataset(**reds(tmp_path / "other"), num_frames=3, preprocess=TRAIN)
    other.prepare(silent)
    pack_clips(other, tmp_path / "pack", silent)
    lines = []
    make(report=lines.append)
    assert "4 of 4 halves of clips are packed" in lines[-1]
