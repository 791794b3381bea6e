"""Work that stops and goes on: what is kept, what is refused, what is left on the disk."""

import errno
import json
import os
import shutil
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from ppvsr.errors import UsageError, VideoError
from ppvsr.system.files import measure, sync, write_synced
from ppvsr.video.encoder import Encoding
from ppvsr.video.frames import Frame
from ppvsr.video.open import open_source, probe
from ppvsr.video.output import open_work
from ppvsr.video.workdir import Entry, Ledger, differences, read_ledger, work_path
from tests.video.films import Sound, make_film
from tests.video.working import IDENTITY, decoded, listing, moving, write_in_segments

SIZES = (4, 3, 5)
KINDS = ["mp4", "png"]


@pytest.fixture(scope="module")
def info(tmp_path_factory):
    return probe(make_film(tmp_path_factory.mktemp("source") / "film.mp4", companions=[Sound()]))


def target_of(kind, tmp_path):
    return tmp_path / ("out" if kind == "png" else f"out.{kind}")


def pieces():
    frames = list(moving(sum(SIZES)))
    return [frames[sum(SIZES[:n]) :][:size] for n, size in enumerate(SIZES)]


def begin_work(target, info, count, *, kind="mp4", identity=IDENTITY, overwrite=False):
    """Finish segments up to `count`, that one not; returns what was finished at the beginning."""
    with open_work(target, info, container=kind, identity=identity, overwrite=overwrite) as work:
        before = work.finished
        for number in range(count):
            if not work.has(number):
                fill(work, number)
    return before


def fill(work, number):
    with work.segment(number) as sink:
        for frame in pieces()[number]:
            sink.write(frame)


def read(target):
    with open_source(target) as source:
        return [(frame.time, frame.image.tobytes()) for frame in source]


def whole(target, info, kind):
    """What an uninterrupted run gives."""
    write_in_segments(target, info, moving(sum(SIZES)), SIZES, container=kind)
    found = read(target)
    shutil.rmtree(target) if kind == "png" else target.unlink()
    return found


def test_mended_frames_are_counted_over_interruptions(info, tmp_path):
    target = tmp_path / "out.mp4"
    for number, kinds in enumerate([["again", "again", None, "bicubic"], ["bicubic", None, None]]):
        with open_work(target, info, container="mp4", identity=IDENTITY) as work, work.segment(number) as sink:
            for frame, kind in zip(pieces()[number], kinds, strict=True):
                sink.write(replace(frame, mended=kind))
    with open_work(target, info, container="mp4", identity=IDENTITY) as work:
        assert work.mended == {"again": 2, "bicubic": 2}


@pytest.mark.parametrize("kind", KINDS)
def test_work_goes_on_where_it_was_and_gives_the_same(kind, info, tmp_path):
    target = target_of(kind, tmp_path)
    wanted = whole(target, info, kind)
    assert begin_work(target, info, 1, kind=kind) == 0
    assert begin_work(target, info, 2, kind=kind) == 4
    with open_work(target, info, container=kind, identity=IDENTITY) as work:
        assert work.finished == 7 and [work.has(n) for n in range(3)] == [True, True, False]
        fill(work, 2)
        assert not target.exists()
        work.publish()
        assert work.finished == 0
    assert read(target) == wanted and os.listdir(tmp_path) == [target.name]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_unfinished_segment_vanishes_and_finished_ones_stay(error, kind, info, tmp_path):
    target = target_of(kind, tmp_path)
    with pytest.raises(error), open_work(target, info, container=kind, identity=IDENTITY) as work:
        fill(work, 0)
        with work.segment(1) as sink:
            sink.write(pieces()[1][0])
            raise error
    inside = sorted(os.listdir(tmp_path / f"{target.name}.ppvsr"))
    assert inside == ["000000", "ledger.json", "lock"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, None])
def test_without_a_finished_segment_nothing_stays(error, kind, info, tmp_path):
    target = target_of(kind, tmp_path)
    with (
        pytest.raises(error or VideoError),
        open_work(target, info, container=kind, identity=IDENTITY) as work,
        work.segment(0) as sink,
    ):
        if error:
            sink.write(pieces()[0][0])
            raise error
    assert listing(tmp_path) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_no_ledger_vouches_for_is_removed(kind, info, tmp_path):
    target = target_of(kind, tmp_path)
    begin_work(target, info, 2, kind=kind)
    folder = tmp_path / f"{target.name}.ppvsr"
    (folder / ".000002.part").write_bytes(b"half")
    (folder / "000007").write_bytes(b"nobody's")
    (folder / "result.part").mkdir()
    (folder / "result.part" / "a").write_bytes(b"half")
    begin_work(target, info, 2, kind=kind)
    assert sorted(os.listdir(folder)) == ["000000", "000001", "ledger.json", "lock"]


@pytest.mark.parametrize("harm", ["shorter", "other", "gone"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_segment_that_was_harmed_is_done_again(kind, harm, info, tmp_path):
    target = target_of(kind, tmp_path)
    wanted = whole(target, info, kind)
    begin_work(target, info, 3, kind=kind)
    path = tmp_path / f"{target.name}.ppvsr" / "000001"
    path = path / "00000001.png" if kind == "png" else path
    content = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-1] + (b"" if harm == "shorter" else bytes([content[-1] ^ 1])))
    with open_work(target, info, container=kind, identity=IDENTITY) as work:
        assert [work.has(n) for n in range(3)] == [True, False, True]
        fill(work, 1)
        work.publish()
    assert read(target) == wanted


CHANGES = {
    "value": ({"--crf": 16}, r"--crf 16, was 20"),
    "nested": ({"input": {"size": 5}}, r"input\.size 5, was 1000"),
    "list": ({"versions": ["1", "3"]}, r'versions \["1", "3"\], was \["1", "2"\]'),
    "new": ({"--blend": 0.7}, r"--blend 0\.7, was not there"),
    "type": ({"--crf": "20"}, r"--crf 20, was 20"),
    "two": ({"--crf": None, "input": {"size": 5}}, r"input\.size 5, was 1000; --crf null, was 20"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_another_identity_is_refused_with_what_differs(kind, info, tmp_path):
    change, message = CHANGES[kind]
    target = tmp_path / "out.mp4"
    begin_work(target, info, 1)
    before = listing(tmp_path)
    match = rf"out\.mp4\.ppvsr: was begun with other settings \({message}\); --overwrite starts anew"
    with pytest.raises(UsageError, match=match):
        begin_work(target, info, 1, identity={**IDENTITY, **change})
    assert listing(tmp_path) == before
    assert begin_work(target, info, 1, identity={**IDENTITY, **change}, overwrite=True) == 0
    assert begin_work(target, info, 1, identity={**IDENTITY, **change}) == 4


def test_differences_are_one_line_whatever_they_are():
    assert differences({"a": 1}, {"a": 1, "b": {"c": 2}}) == "b.c is gone, was 2"
    assert differences({"a": "x\ny"}, {"a": {}}) == 'a "x\\ny", was {}'
    many = {str(n): n for n in range(9)}
    assert differences(many, {}).endswith("4 4, was not there; 4 more")
    assert len(differences({"a": "x" * 1000}, {"a": 1})) < 100


def test_what_is_no_json_is_no_identity(info, tmp_path):
    with pytest.raises(TypeError):
        begin_work(tmp_path / "out.mp4", info, 0, identity={"rate": Fraction(1, 2)})
    assert listing(tmp_path) == []


GOOD = {"number": 0, "frames": 4, "size": 9, "digest": "d"}
DAMAGED = {
    "empty": b"",
    "text": b"ledger",
    "list": b"[]",
    "latin": b'{"version": 2, "identity": {"a": "\xff"}, "segments": []}',
    "deep": b"[" * 100_000,
    "identity": json.dumps({"version": 2, "identity": 5, "segments": []}).encode(),
    "missing": json.dumps({"version": 2, "identity": {}}).encode(),
    "entry": json.dumps({"version": 2, "identity": {}, "segments": [{**GOOD, "frames": "4"}]}).encode(),
    "frames": json.dumps({"version": 2, "identity": {}, "segments": [{**GOOD, "frames": 0}]}).encode(),
    "more": json.dumps({"version": 2, "identity": {}, "segments": [{**GOOD, "path": "/"}]}).encode(),
    "digest": json.dumps({"version": 2, "identity": {}, "segments": [{**GOOD, "digest": 1}]}).encode(),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_ledger_is_refused_and_overwritten_when_asked(kind, info, tmp_path):
    target = tmp_path / "out.mp4"
    begin_work(target, info, 1)
    (tmp_path / "out.mp4.ppvsr" / "ledger.json").write_bytes(DAMAGED[kind])
    with pytest.raises(UsageError, match=r"ledger\.json: is damaged and cannot be gone on with; --overwrite starts"):
        begin_work(target, info, 1)
    assert (tmp_path / "out.mp4.ppvsr" / "000000").exists()
    assert begin_work(target, info, 1, overwrite=True) == 0


def test_a_ledger_of_another_version_is_refused(info, tmp_path):
    begin_work(tmp_path / "out.mp4", info, 1)
    (tmp_path / "out.mp4.ppvsr" / "ledger.json").write_text('{"version": 1}')
    with pytest.raises(UsageError, match=r"ledger\.json: is of version 1, not 2; --overwrite starts anew"):
        begin_work(tmp_path / "out.mp4", info, 1)


def test_ledgers_come_back_as_they_were(tmp_path):
    ledger = Ledger.of({"a": (1, 2), "b": {"c": None}}).with_entry(Entry(3, 64, 10**12, "d"))
    ledger.write(tmp_path)
    assert read_ledger(tmp_path) == ledger and read_ledger(tmp_path / "none") is None
    assert os.listdir(tmp_path) == ["ledger.json"]


def test_two_processes_do_not_work_on_one_target(info, tmp_path):
    pytest.importorskip("fcntl")
    target = tmp_path / "out.mp4"
    with open_work(target, info, container="mp4", identity=IDENTITY) as work:
        fill(work, 0)
        with pytest.raises(UsageError, match=r"out\.mp4\.ppvsr: another process works there; wait for it or choose"):
            begin_work(target, info, 1, overwrite=True)
        fill(work, 1)
    assert begin_work(target, info, 0) == 7


@pytest.mark.parametrize("kind", ["file", "link", "strange"])
def test_what_is_not_ours_is_in_the_way_and_stays(kind, info, tmp_path):
    folder, elsewhere = tmp_path / "out.mp4.ppvsr", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "diary.txt").write_text("mine")
    if kind == "file":
        folder.write_text("mine")
    elif kind == "link":
        folder.symlink_to(elsewhere)
    else:
        elsewhere.rename(folder)
    before = listing(tmp_path)
    message = "holds 'diary.txt', which no work of ppvsr left" if kind == "strange" else "is in the way of the folder"
    for overwrite in (False, True):
        with pytest.raises(UsageError, match=rf"out\.mp4\.ppvsr: {message}.*; move it away"):
            begin_work(tmp_path / "out.mp4", info, 1, overwrite=overwrite)
    assert listing(tmp_path) == before


def test_targets_that_cannot_be_written_are_refused(info, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"file/out\.mp4: cannot be written: .*; choose another --output"):
        begin_work(tmp_path / "file" / "out.mp4", info, 0)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "diary.txt").write_text("mine")
    with pytest.raises(UsageError, match="out: exists and is not a folder of PNG only"):
        begin_work(tmp_path / "out", info, 0, kind="png")


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "place", ["segment", "os.fsync", "os.replace", "video.output.measure", "video.workdir.write_synced"]
)
def test_a_full_disk_leaves_ledger_and_finished_segments_usable(place, kind, info, tmp_path, monkeypatch):
    """Wherever it becomes full: writing, syncing, naming or reading a segment, or writing the ledger."""
    target = target_of(kind, tmp_path)
    wanted = whole(target, info, kind)
    begin_work(target, info, 1, kind=kind)
    ledger = (tmp_path / f"{target.name}.ppvsr" / "ledger.json").read_bytes()
    writer = "video.images.ImageWriter" if kind == "png" else "video.segments.SegmentWriter"
    place = {
        "segment": f"{writer}.write",
        "os.fsync": "system.files.os.fsync",
        "os.replace": "video.output.os.replace",
    }.get(place, place)
    match = rf"{target.name}: cannot be written: No space left on device; 4 finished frames are kept, the same command"
    with (
        pytest.raises(VideoError, match=match),
        open_work(target, info, container=kind, identity=IDENTITY) as work,
        monkeypatch.context() as patch,
    ):
        patch.setattr(f"ppvsr.{place}", full)
        fill(work, 1)
    assert (tmp_path / f"{target.name}.ppvsr" / "ledger.json").read_bytes() == ledger
    assert sorted(os.listdir(tmp_path / f"{target.name}.ppvsr")) == ["000000", "ledger.json", "lock"]
    assert begin_work(target, info, 3, kind=kind) == 4
    with open_work(target, info, container=kind, identity=IDENTITY) as work:
        work.publish()
    assert read(target) == wanted


@pytest.mark.parametrize("name", ["os.fsync", "os.replace"])
def test_a_file_that_cannot_be_written_is_what_it_was(name, tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(f"ppvsr.system.files.{name}", full)
    with pytest.raises(OSError, match="No space"):
        write_synced(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old" and os.listdir(tmp_path) == ["a"]


def test_folders_that_no_file_system_brings_to_the_disk_are_no_error(tmp_path, monkeypatch):
    def refuse(_):
        raise OSError(errno.EINVAL, "no")

    (tmp_path / "a").write_bytes(b"")
    monkeypatch.setattr("ppvsr.system.files.os.fsync", refuse)
    sync(tmp_path)
    with pytest.raises(OSError, match="no"):
        sync(tmp_path / "a")


def test_a_disk_that_is_full_at_once_leaves_nothing(info, tmp_path, monkeypatch):
    monkeypatch.setattr("ppvsr.system.files.os.fsync", full)
    with pytest.raises(VideoError, match=r"out\.mp4: cannot be written: No space left on device$"):
        begin_work(tmp_path / "out.mp4", info, 1)
    assert listing(tmp_path) == []


def test_a_segment_too_large_for_the_disk_vanishes(info, tmp_path):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    begin_work(tmp_path / "out.mp4", info, 1)
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with (
            pytest.raises(VideoError, match=r"out\.mp4: cannot be written: File too large; 4 finished frames are kept"),
            open_work(tmp_path / "out.mp4", info, container="mp4", identity=IDENTITY, encoding=Encoding(crf=1)) as work,
            work.segment(1) as sink,
        ):
            for number in range(100):
                sink.write(Frame(np.roll(noise, number), Fraction(number, 25)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert begin_work(tmp_path / "out.mp4", info, 0) == 4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(errno.ENOSPC, "full")], ids=["ctrl-c", "full"])
@pytest.mark.parametrize("place", ["output.sync", "output.os.replace", "middle"])
def test_a_publication_that_stops_is_made_up_for_at_once(place, error, kind, info, tmp_path, monkeypatch):
    target = target_of(kind, tmp_path)
    wanted = whole(target, info, kind)
    begin_work(target, info, 3, kind=kind)
    calls = []

    def stop(*_):
        calls.append(_)
        raise error

    middle = "images.os.link" if kind == "png" else "muxer.FilmWriter._mux"
    if place == "middle" and kind == "png" and error is not KeyboardInterrupt:
        middle = "images.names_in"
    with (
        pytest.raises(KeyboardInterrupt if error is KeyboardInterrupt else VideoError),
        open_work(target, info, container=kind, identity=IDENTITY) as work,
        monkeypatch.context() as patch,
    ):
        patch.setattr(f"ppvsr.video.{middle if place == 'middle' else place}", stop)
        work.publish()
    assert calls and os.listdir(tmp_path) == [f"{target.name}.ppvsr"]
    assert sorted(os.listdir(tmp_path / f"{target.name}.ppvsr")) == [
        "000000",
        "000001",
        "000002",
        "ledger.json",
        "lock",
    ]
    with open_work(target, info, container=kind, identity=IDENTITY) as work:
        assert work.finished == sum(SIZES)
        work.publish()
    assert read(target) == wanted and os.listdir(tmp_path) == [target.name]


@pytest.mark.parametrize("kind", KINDS)
def test_an_older_result_stays_until_the_new_one_is_complete(kind, info, tmp_path):
    target = target_of(kind, tmp_path)
    if kind == "png":
        target.mkdir()
    older = target / "00000099.png" if kind == "png" else target
    older.write_bytes(b"older")
    begin_work(target, info, 3, kind=kind)
    assert older.read_bytes() == b"older"
    with open_work(target, info, container=kind, identity=IDENTITY) as work:
        work.publish()
    assert len(read(target)) == sum(SIZES) and os.listdir(tmp_path) == [target.name]


def test_an_older_folder_comes_back_when_the_new_one_cannot_take_its_place(info, tmp_path, monkeypatch):
    target, replace = tmp_path / "out", os.replace
    target.mkdir()
    (target / "00000099.png").write_bytes(b"older")
    begin_work(target, info, 3, kind="png")

    def fail(source, path):
        return full() if str(source).endswith("result.part") else replace(source, path)

    monkeypatch.setattr("ppvsr.video.output.os.replace", fail)
    with (
        pytest.raises(VideoError, match="No space left on device; 12 finished frames are kept"),
        open_work(target, info, container="png", identity=IDENTITY) as work,
    ):
        work.publish()
    assert os.listdir(target) == ["00000099.png"]


@pytest.mark.parametrize("stem", ["a" * 251, "电" * 83, "a" * 249])
def test_the_longest_names_have_room_for_work_beside_them(stem, info, tmp_path):
    target = tmp_path / f"{stem}.mp4"
    assert begin_work(target, info, 1) == 0
    assert begin_work(target, info, 1) == 4
    assert work_path(target) != work_path(tmp_path / f"{stem[:-1]}b.mp4")
    with open_work(target, info, container="mp4", identity=IDENTITY) as work:
        work.publish()
    assert os.listdir(tmp_path) == [target.name]


def test_a_folder_that_cannot_be_locked_is_refused(info, tmp_path):
    folder = work_path(tmp_path / "out.mp4")
    (folder / "lock").mkdir(parents=True)
    with pytest.raises(
        UsageError, match=r"out\.mp4\.ppvsr: cannot be written: Is a directory; choose another --output"
    ):
        begin_work(tmp_path / "out.mp4", info, 1)


def test_pictures_keep_the_names_they_come_with_and_those_of_films_are_counted(info, tmp_path):
    from tests.video.test_sources import write_images

    source = write_images(tmp_path / "in", 4, name="shot {}.png")
    with open_source(source) as images:
        write_in_segments(tmp_path / "named", images.info, list(images), (1, 3), container="png")
    assert sorted(os.listdir(tmp_path / "named")) == [f"shot {n}.png" for n in range(4)]
    write_in_segments(tmp_path / "counted", info, moving(4), (3, 1), container="png")
    assert sorted(os.listdir(tmp_path / "counted")) == [f"{n:08d}.png" for n in range(4)]


def test_pictures_are_copied_where_files_cannot_have_two_names(info, tmp_path, monkeypatch):
    monkeypatch.setattr("ppvsr.video.images.os.link", full)
    write_in_segments(tmp_path / "out", info, moving(4), (3, 1), container="png")
    assert len(read(tmp_path / "out")) == 4


def test_nothing_is_published_without_segments_or_with_a_gap(info, tmp_path):
    with open_work(tmp_path / "out.mp4", info, container="mp4", identity=IDENTITY) as work:
        with pytest.raises(VideoError, match=r"out\.mp4: not one frame was written"):
            work.publish()
        fill(work, 0)
        fill(work, 2)
        with pytest.raises(VideoError, match=r"out\.mp4: segment 1 is missing"):
            work.publish()
        fill(work, 1)
        work.publish()
    assert len(decoded(tmp_path / "out.mp4")[0]) == sum(SIZES)


def test_a_folder_is_known_by_names_and_contents(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    one = measure(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert measure(tmp_path) != one and measure(tmp_path)[0] == 1


def test_an_older_result_comes_back_when_a_run_was_killed_while_it_was_replaced(info, tmp_path):
    target = tmp_path / "pictures"
    old = work_path(target) / "old"
    old.mkdir(parents=True)
    (old / "0.png").write_bytes(b"older")
    with open_work(target, info, container="png", identity=IDENTITY):
        assert (target / "0.png").read_bytes() == b"older"
    assert (target / "0.png").read_bytes() == b"older" and not work_path(target).exists()


def test_a_film_of_another_number_of_frames_is_not_published(info, tmp_path):
    target = tmp_path / "result.mp4"
    with open_work(target, info, container="mp4", identity=IDENTITY) as work:
        fill(work, 0)
        count = work.finished
        with pytest.raises(VideoError, match=f"{count} frames are finished of a film of {count + 1}.*starts anew"):
            work.publish(count + 1)
        assert not target.exists()
        work.publish(count)
    assert target.exists()
