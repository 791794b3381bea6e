"""Films that were interrupted are gone on with, and become what they would have become."""

import json
import multiprocessing
import random
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

import ppvsr
from ppvsr.enhance import video
from ppvsr.enhance.network import BicubicEnhancer
from ppvsr.enhance.request import identity_of
from ppvsr.errors import UsageError, VideoError
from ppvsr.video.encoder import Encoding
from ppvsr.video.workdir import read_ledger
from tests.enhance.killed import ENCODING, SEGMENT, computed_in_segments
from tests.films import make_film

ROOT = Path(__file__).parents[2]
BEE = ROOT / "demo/bee_160x90.mp4"  # 60 frames, with sound
KILLS, PATIENCE = 20, 60
PROCESSES = multiprocessing.get_context("forkserver")  # they import once
PROCESSES.set_forkserver_preload(["tests.enhance.killed"])


def decoded(path):
    """All pictures with their times, and all packets of sound."""
    with av.open(str(path)) as film:
        pictures = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in film.decode(video=0)]
    with av.open(str(path)) as film:
        sound = [(packet.pts, bytes(packet)) for packet in film.demux(audio=0)] if film.streams.audio else []
    return pictures, sound


def same(first, second):
    (pictures, sound), (others, other_sound) = decoded(first), decoded(second)
    assert [time for time, _ in pictures] == [time for time, _ in others]
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(pictures, others, strict=True))
    assert sound == other_sound
    return len(pictures)


@pytest.mark.slow
def test_a_film_whose_making_is_killed_again_and_again_becomes_the_same_film(tmp_path):
    whole = ppvsr.enhance_video(BEE, tmp_path / "whole.mp4", "Bicubic", segment=SEGMENT, encoding=ENCODING)
    rng = random.Random(0)
    kills = 0
    for attempt in range(10):
        target, log = tmp_path / f"{attempt}.mp4", tmp_path / f"{attempt}.log"
        log.touch()
        mine = 0
        while killed(target, log, rng):
            mine += 1
            assert not target.exists()
        computed = len(log.read_bytes())
        assert whole.frames <= computed <= whole.frames + mine * (SEGMENT + SEGMENT // 4)
        assert same(target, whole.path) == whole.frames == 60
        assert not list(tmp_path.glob("*.ppvsr")) and not list(tmp_path.glob(".*"))
        kills += mine
        if kills >= KILLS:
            return
    pytest.fail(f"only {kills} runs could be killed")


def killed(target, log, rng):
    """Start a run and kill it at some moment; False when it was faster."""
    enough = len(log.read_bytes()) + rng.randrange(2 * SEGMENT)
    run = PROCESSES.Process(target=computed_in_segments, args=(BEE, target, log))
    run.start()
    deadline = time.monotonic() + PATIENCE
    while run.exitcode is None and len(log.read_bytes()) < enough:
        assert time.monotonic() < deadline, "the run hangs"
        run.join(0.002)
    run.join(rng.random() / 50)  # somewhere between two frames, too
    run.kill()
    run.join()
    assert run.exitcode in (0, -9)
    return run.exitcode == -9


class Interrupt(BicubicEnhancer):
    """Stops after so many frames, as Ctrl-C would."""

    after = 0

    def __call__(self, frames):
        for frame in super().__call__(frames):
            if Interrupt.after == 0:
                raise KeyboardInterrupt
            Interrupt.after -= 1
            yield frame


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """A film of 20 frames whose making in segments of 8 was interrupted in the second one; with what to call it by."""
    source, target = make_film(tmp_path / "in.mp4", 20), tmp_path / "out.mp4"
    monkeypatch.setattr("ppvsr.enhance.network.BicubicEnhancer", Interrupt)
    monkeypatch.setattr(Interrupt, "after", 12)
    with pytest.raises(KeyboardInterrupt):
        ppvsr.enhance_video(source, target, "Bicubic", segment=8)
    monkeypatch.setattr(Interrupt, "after", 1000)
    assert not target.exists()
    return source, target


def test_what_was_finished_is_not_computed_again(interrupted):
    source, target = interrupted
    assert ppvsr.enhance_video(source, target, "Bicubic", segment=8).frames == 20
    assert Interrupt.after == 1000 - 12
    assert not target.with_name("out.mp4.ppvsr").exists()


def test_overwrite_computes_all_of_it_again(interrupted):
    source, target = interrupted
    ppvsr.enhance_video(source, target, "Bicubic", segment=8, overwrite=True)
    assert Interrupt.after == 1000 - 20


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"encoding": Encoding(crf=30)}, "options.encoding.crf 30, was 16"),
        ({"segment": 9}, "options.segment 9, was 8"),
        ({"frames": 19}, "options.frames 19, was null"),
    ],
)
def test_other_options_are_refused_with_what_differs(interrupted, change, told):
    source, target = interrupted
    with pytest.raises(UsageError, match=told):
        ppvsr.enhance_video(source, target, "Bicubic", **{"segment": 8, **change})
    assert ppvsr.enhance_video(source, target, "Bicubic", segment=8).frames == 20


def test_another_source_or_version_is_refused(interrupted, monkeypatch):
    source, target = interrupted
    monkeypatch.setattr("ppvsr.enhance.request.__version__", "9.9")
    with pytest.raises(UsageError, match=r"versions.ppvsr 9\.9, was"):
        ppvsr.enhance_video(source, target, "Bicubic", segment=8)
    make_film(source, 21)
    with pytest.raises(UsageError, match=r"input\.bytes \d+, was \d+.*--overwrite starts anew"):
        ppvsr.enhance_video(source, target, "Bicubic", segment=8)


@pytest.mark.slow
@pytest.mark.parametrize("memory", [8 << 30, 1 << 20], ids=["plenty", "not even enough for a new run"])
def test_the_plan_stays_that_of_the_first_run_whatever_memory_is_free_now(tmp_path, memory):
    source, lines = make_film(tmp_path / "in.mp4", 9, height=64, width=64), []
    options = {"segment": 4, "backend": "dygraph"}
    with pytest.raises(KeyboardInterrupt):
        ppvsr.enhance_video(
            source, tmp_path / "a.mp4", "PPMSVSRSmall", reporter=Stopping(5), memory=660 << 20, **options
        )
    ledger = read_ledger(tmp_path / "a.mp4.ppvsr")
    ppvsr.enhance_video(source, tmp_path / "a.mp4", "PPMSVSRSmall", reporter=Listener(lines), memory=memory, **options)
    window = ledger.identity["plans"][0]["window"]
    assert window < 20 and any(line.startswith(f"plan: windows of {window} frames") for line in lines)


def everything_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_dry_run_says_how_much_is_there_and_changes_nothing(interrupted):
    source, target = interrupted
    lines, before = [], everything_in(target.with_name("out.mp4.ppvsr"))
    for options in ({}, {"overwrite": True}):
        ppvsr.enhance_video(source, target, "Bicubic", segment=8, dry_run=True, reporter=Listener(lines), **options)
    assert [line for line in lines if "earlier" in line] == [
        "8 frames were finished by an earlier run, which would go on"
    ]
    with pytest.raises(UsageError, match="was begun with other settings"):
        ppvsr.enhance_video(source, target, "Bicubic", segment=9, dry_run=True)
    assert everything_in(target.with_name("out.mp4.ppvsr")) == before


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_damaged_segment_is_told_and_made_again(interrupted, dry_run):
    source, target = interrupted
    lines, segment = [], target.with_name("out.mp4.ppvsr") / "000000"
    segment.write_bytes(segment.read_bytes()[:-1] + b"?")
    ppvsr.enhance_video(source, target, "Bicubic", segment=8, dry_run=dry_run, reporter=Listener(lines))
    told = "8 frames that an earlier run finished are damaged on the disk, and made again"
    assert told in lines and not any("by an earlier run" in line for line in lines)
    assert Interrupt.after == 1000 - (0 if dry_run else 20)


@pytest.mark.parametrize("plans", [5, [{"window": 1}], [None], [{}, {}]])
def test_damaged_plans_are_refused(interrupted, plans):
    source, target = interrupted
    path = target.with_name("out.mp4.ppvsr") / "ledger.json"
    content = json.loads(path.read_text())
    content["identity"]["plans"] = plans
    path.write_text(json.dumps(content))
    with pytest.raises(UsageError, match="is damaged and cannot be gone on with; --overwrite starts anew"):
        ppvsr.enhance_video(source, target, "Bicubic", segment=8)


def test_a_source_that_is_cut_otherwise_than_before_is_told(interrupted, monkeypatch):
    source, target = interrupted
    monkeypatch.setattr("ppvsr.enhance.video.context_of", lambda links: 0)
    own = video.cuts

    def later(order, info, say):
        def mark(frames):
            for number, (frame, _) in enumerate(own(order, info, say)(frames)):
                yield frame, number == 4  # the first piece was of 8 frames

        return mark

    monkeypatch.setattr(video, "cuts", later)
    with pytest.raises(VideoError, match=r"24 frames are finished of a film of 20.*--overwrite starts anew"):
        ppvsr.enhance_video(source, target, "Bicubic", segment=8)
    assert not target.exists()


@pytest.mark.parametrize(
    ("change", "same_run"),
    [("nothing", True), ("a picture in the middle", False), ("a new picture", False), ("the folder's name", False)],
)
def test_folders_of_pictures_are_told_apart(tmp_path, change, same_run):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.bmp"), np.full((8, 8, 3), number, np.uint8))
    before = identity_of(folder, [], {})
    if change == "a picture in the middle":  # of the same size
        time.sleep(0.01)
        cv2.imwrite(str(folder / "1.bmp"), np.full((8, 8, 3), 200, np.uint8))
    elif change == "a new picture":
        cv2.imwrite(str(folder / "3.bmp"), np.full((8, 8, 3), 3, np.uint8))
    elif change == "the folder's name":
        folder = folder.rename(tmp_path / "other")
    assert (identity_of(folder, [], {}) == before) == same_run


def test_a_full_disk_leaves_what_was_finished(tmp_path, monkeypatch):
    source, target = make_film(tmp_path / "in.mp4", 20), tmp_path / "out.mp4"
    from ppvsr.system import files
    from ppvsr.video import output

    own, calls = files.measure, []

    def full(path):
        calls.append(path)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return own(path)

    monkeypatch.setattr(output, "measure", full)
    with pytest.raises(
        VideoError, match=r"No space left on device; 10? ?\d* finished frames are kept|8 finished frames"
    ):
        ppvsr.enhance_video(source, target, "Bicubic", segment=8)
    monkeypatch.setattr(output, "measure", own)
    lines = []

    assert ppvsr.enhance_video(source, target, "Bicubic", segment=8, reporter=Listener(lines)).frames == 20
    assert any("8 frames were finished by an earlier run" in line for line in lines)


class Listener:
    """A reporter that collects the lines."""

    def __init__(self, lines):
        self.say = lines.append

    def progress(self, done, total):
        pass


class Stopping:
    """A reporter that interrupts the run after so many frames."""

    def __init__(self, after):
        self.after = after

    def say(self, line):
        pass

    def progress(self, done, total):
        if done >= self.after:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_a_network_sees_the_same_frames_after_an_interruption(tmp_path):
    source = make_film(tmp_path / "in.mp4", 9, height=64, width=64)
    options = {"segment": 4, "num_frames": 5, "overlap": 1, "backend": "dygraph"}
    whole = ppvsr.enhance_video(source, tmp_path / "whole.mp4", "PPMSVSRSmall", **options)
    with pytest.raises(KeyboardInterrupt):
        ppvsr.enhance_video(source, tmp_path / "b.mp4", "PPMSVSRSmall", reporter=Stopping(5), **options)
    assert ppvsr.enhance_video(source, tmp_path / "b.mp4", "PPMSVSRSmall", **options).frames == 9
    assert same(tmp_path / "b.mp4", whole.path) == 9
