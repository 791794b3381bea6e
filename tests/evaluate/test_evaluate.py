"""Evaluation: what is averaged, what is read, and what is refused."""

from dataclasses import dataclass
from threading import Barrier, Thread

import cv2
import numpy as np
import pytest

from ppvsr.data.clips import ArrayFrames, Clip
from ppvsr.errors import DataError, PpvsrError
from ppvsr.evaluate.evaluate import evaluate, standard_metrics

METRICS = standard_metrics()


@dataclass
class Clips:
    """What evaluation needs to know of a data set."""

    clips: list

    def __len__(self):
        return len(self.clips)

    def clip(self, index):
        return self.clips[index]


class Watched(ArrayFrames):
    """Frames that remember which of them were read."""

    def __init__(self, pixels):
        super().__init__(pixels)
        object.__setattr__(self, "read", [])

    def __getitem__(self, index):
        self.read.append(index)
        return super().__getitem__(index)


def random_clip(key, count=3, seed=0, lq=None):
    gt = np.random.default_rng(seed).integers(0, 200, (count, 24, 32, 3), dtype=np.uint8)
    return Clip(key, ArrayFrames(gt[:lq, ::4, ::4]), Watched(gt))


def off_by(*levels):
    """A runner whose frame i is wrong by levels[i]; it knows the answers because the clip's pixels repeat."""

    def run(frames):
        for index in range(len(frames)):
            yield flat(frames[index]) + np.uint8(levels[index % len(levels)])

    return run


def flat(small):
    return np.full((24, 32, 3), small[0, 0], np.uint8)


def flat_clip(key, count=3, grey=50):
    gt = np.full((count, 24, 32, 3), grey, np.uint8)
    return Clip(key, ArrayFrames(gt[:, ::4, ::4]), Watched(gt))


def level(*errors):
    return np.mean([20 * np.log10(255 / error) for error in errors])


def test_the_mean_is_over_frames_then_over_clips():
    scores = evaluate(off_by(1, 2, 4, 8), Clips([flat_clip("long", 4), flat_clip("short", 1)]), METRICS)
    assert [clip.frames for clip in scores.clips] == [4, 1]
    assert scores.clips[0].values["psnr"] == pytest.approx(level(1, 2, 4, 8))
    assert scores.clips[1].values["psnr"] == pytest.approx(level(1))
    assert scores.mean["psnr"] == pytest.approx((level(1, 2, 4, 8) + level(1)) / 2)
    assert 0.9 < scores.mean["ssim"] < 1


def test_the_worst_frame_and_its_number_are_kept():
    scores = evaluate(off_by(1, 8, 4), Clips([flat_clip("a", 3), flat_clip("b", 1)]), METRICS)
    number, value = scores.clips[0].worst
    assert (number, value) == (1, pytest.approx(level(8))) and scores.clips[1].worst[0] == 0
    assert scores.clips[0].by_frame == pytest.approx({0: level(1), 1: level(8), 2: level(4)})
    clip, number, value = scores.worst
    assert (clip.clip, number) == ("a", 1) and value == pytest.approx(level(8))
    middle = evaluate(off_by(9, 9, 9, 2, 9, 9, 9), Clips([flat_clip("c", 7)]), METRICS, frames="middle")
    assert middle.clips[0].by_frame == {3: pytest.approx(level(2))}


def test_without_psnr_no_frame_is_called_the_worst():
    scores = evaluate(off_by(1, 2), Clips([flat_clip("a", 2)]), {"error": lambda image, truth: 1.0})
    assert scores.worst is None and scores.clips[0].worst is None and scores.clips[0].by_frame == {}


def test_one_identical_frame_counts_as_100_db():
    scores = evaluate(off_by(0, 1), Clips([flat_clip("clip", 2)]), METRICS)
    assert scores.mean["psnr"] == pytest.approx((100 + level(1)) / 2)


def test_the_middle_frame_is_the_fourth_of_seven_and_the_only_one_that_is_read():
    clip = flat_clip("septuplet", 7)
    scores = evaluate(off_by(9, 9, 9, 2, 9, 9, 9), Clips([clip]), METRICS, frames="middle")
    assert clip.gt.read == [3]
    assert scores.clips[0].frames == 1
    assert scores.mean["psnr"] == pytest.approx(level(2))


def test_frames_are_read_one_by_one_and_never_ahead():
    clip = random_clip("clip", 5)

    def run(frames):
        for index in range(len(frames)):
            assert clip.gt.read == list(range(index))
            yield flat(frames[index])

    evaluate(run, Clips([clip]), METRICS)
    assert clip.gt.read == [0, 1, 2, 3, 4]


def test_flicker_is_measured_on_neighbours_with_the_truth_beside_it():
    scores = evaluate(off_by(0, 10), Clips([flat_clip("three", 3), flat_clip("one", 1)]), METRICS, flicker=True)
    three, one = (clip.values for clip in scores.clips)
    assert three["warping_error"] == pytest.approx((10 / 255) ** 2 * 1e3, rel=1e-5)
    assert three["truth_warping_error"] == 0
    assert "warping_error" not in one
    assert scores.mean["warping_error"] == three["warping_error"]


def test_movement_is_taken_from_the_truth_not_from_the_result():
    rng = np.random.default_rng(0)
    wide = cv2.resize(
        rng.integers(0, 256, (8, 30, 3), dtype=np.uint8), None, fx=10, fy=10, interpolation=cv2.INTER_CUBIC
    )
    gt = np.stack([wide[:, i : i + 96] for i in (0, 3, 6)])
    clip = Clip("pan", ArrayFrames(gt), ArrayFrames(gt))
    frozen = evaluate(lambda frames: (frames[0] for _ in range(3)), Clips([clip]), METRICS, flicker=True).mean
    same = evaluate(lambda frames: (frames[i] for i in range(3)), Clips([clip]), METRICS, flicker=True).mean
    assert same["warping_error"] == same["truth_warping_error"] == frozen["truth_warping_error"]
    assert frozen["warping_error"] > 20 * frozen["truth_warping_error"]


def test_flicker_needs_all_frames_even_if_only_the_middle_one_is_measured():
    clip = flat_clip("seven", 7)
    scores = evaluate(off_by(0, 10), Clips([clip]), METRICS, frames="middle", flicker=True)
    assert clip.gt.read == list(range(7))
    assert scores.clips[0].frames == 1 and scores.mean["warping_error"] > 0


def test_the_time_of_the_runner_and_the_memory_are_recorded():
    scores = evaluate(off_by(1), Clips([flat_clip("clip")]), METRICS)
    assert 0 < scores.clips[0].seconds < 1
    assert scores.peak_bytes > 10 << 20 and scores.device_bytes == 0


def test_progress_counts_all_frames():
    heard = []
    evaluate(off_by(1), Clips([flat_clip("a", 2), flat_clip("b", 1)]), METRICS, report=lambda *each: heard.append(each))
    assert heard == [(1, 3, "a"), (2, 3, "a"), (3, 3, "b")]


def test_pictures_are_written_under_the_names_of_their_clips(tmp_path):
    clip = flat_clip("000/0266 é", 2, grey=10)
    clip.gt.pixels[..., 0] = 200  # red, so that swapped channels would show
    clip = Clip(clip.key, ArrayFrames(clip.gt.pixels[:, ::4, ::4]), clip.gt)
    evaluate(off_by(1), Clips([clip]), METRICS, pictures=tmp_path)
    paths = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    assert paths == ["000/0266 é/00000000.png", "000/0266 é/00000001.png"]
    image = cv2.imdecode(np.fromfile(tmp_path / paths[0], np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert (image == [201, 11, 11]).all()


def test_only_the_measured_pictures_are_written(tmp_path):
    evaluate(off_by(1), Clips([flat_clip("a", 7)]), METRICS, pictures=tmp_path, frames="middle")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["00000003.png"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "a").write_text("in the way")
    with pytest.raises(PpvsrError, match=r"a/00000000\.png: cannot be written"):
        evaluate(off_by(1), Clips([flat_clip("a")]), METRICS, pictures=tmp_path)


def shifted(frames):
    yield from (np.zeros((20, 32, 3), np.uint8) for _ in range(len(frames)))


@pytest.mark.parametrize(
    ("run", "clip", "message"),
    [
        (off_by(1), random_clip("walk", 5, lq=3), "walk: 3 frames to be measured against 5 of the truth"),
        (shifted, flat_clip("walk"), "walk, frame 0: the result is 32x20, but the truth is 32x24"),
        (lambda frames: iter([flat(frames[0])]), flat_clip("walk"), "walk: 1 frames came out, the truth has 3"),
        (lambda frames: off_by(1)(frames.take([0] * 5)), flat_clip("walk"), "walk: 5 frames came out, the truth has 3"),
    ],
)
def test_results_that_do_not_fit_are_refused(run, clip, message):
    with pytest.raises(DataError, match=message):
        evaluate(run, Clips([clip]), METRICS)


def test_pictures_too_small_for_the_border_are_refused_by_name():
    with pytest.raises(DataError, match="walk: crop_border 12 does not leave enough of pictures of 32x24"):
        evaluate(off_by(1), Clips([flat_clip("walk")]), standard_metrics(crop_border=12))


class Team:
    """Ranks as threads of this process: what `ppvsr.system.ranks.Ranks` promises, without Paddle."""

    def __init__(self, world):
        self.arrays, self.barrier, self.world = [None] * world, Barrier(world), world

    def member(self, rank):
        team = self

        class Member:
            world = team.world

            def total(self, array):
                team.arrays[rank] = array
                team.barrier.wait()
                total = np.sum(team.arrays, axis=0)
                team.barrier.wait()
                return total

        member = Member()
        member.rank = rank
        return member


@pytest.mark.parametrize("world", [1, 2, 4])
def test_every_clip_counts_once_and_all_ranks_agree(world):
    clips = Clips([flat_clip(name, count) for name, count in (("a", 1), ("b", 4), ("c", 2))])
    alone = evaluate(off_by(1, 2, 4, 8), clips, METRICS, flicker=True)
    team, results, run_by = Team(world), [None] * world, {}

    def work(rank):
        def report(done, total, clip):
            run_by.setdefault(clip, set()).add(rank)

        results[rank] = evaluate(
            off_by(1, 2, 4, 8), clips, METRICS, flicker=True, ranks=team.member(rank), report=report
        )

    threads = [Thread(target=work, args=(rank,)) for rank in range(world)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert run_by == {name: {index % world} for index, name in enumerate("abc")}
    for scores in results:
        assert scores.mean == pytest.approx(alone.mean)
        assert [(clip.clip, clip.frames) for clip in scores.clips] == [("a", 1), ("b", 4), ("c", 2)]
        assert [clip.values for clip in scores.clips] == [pytest.approx(clip.values) for clip in alone.clips]
        assert [clip.by_frame for clip in scores.clips] == [clip.by_frame for clip in alone.clips]
        assert scores == results[0]
