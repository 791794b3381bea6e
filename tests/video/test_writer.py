"""Targets, names, encoders: what is refused before the work, and what is left when the work fails."""

import os
import time
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from ppvsr.errors import UsageError, VideoError
from ppvsr.video.encoder import QUALITIES, Encoding, check_encoder
from ppvsr.video.frames import Frame
from ppvsr.video.muxer import choose_container
from ppvsr.video.open import open_source, probe
from ppvsr.video.output import open_sink
from ppvsr.video.segments import read_packets
from ppvsr.video.workdir import check_target, partial_path, target_path
from tests.video.films import Sound, make_film, patches


@pytest.fixture
def film(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    return make_film(folder / "film.mp4", companions=[Sound()])


def frames(count=5):
    return [Frame(patches(), Fraction(n, 25), Fraction(1, 25)) for n in range(count)]


@pytest.mark.parametrize("container", ["mp4", "mkv", "png"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, None])
def test_nothing_is_left_of_a_film_that_failed(container, error, film, tmp_path):
    target = tmp_path / "out" / "result"
    with pytest.raises(error or VideoError), open_sink(target, probe(film), container=container) as sink:
        if error:
            for frame in frames():
                sink.write(frame)
            raise error
    assert list(target.parent.iterdir()) == []


def test_an_older_result_is_replaced_only_by_a_complete_one(film, tmp_path):
    target = tmp_path / "result.mp4"
    target.write_text("older")
    with pytest.raises(RuntimeError), open_sink(target, probe(film), container="mp4") as sink:
        sink.write(frames()[0])
        raise RuntimeError
    assert target.read_text() == "older"
    with open_sink(target, probe(film), container="mp4") as sink:
        for frame in frames():
            sink.write(frame)
            assert target.read_text() == "older"
    assert len(list(open_and_read(target))) == 5
    assert sorted(os.listdir(tmp_path)) == ["in", "result.mp4"]


def open_and_read(path):
    with open_source(path) as source:
        yield from source


def test_an_older_folder_is_replaced_and_other_files_are_safe(film, tmp_path):
    target = tmp_path / "images"
    for count in (5, 3):
        with open_sink(target, probe(film), container="png") as sink:
            for frame in frames(count):
                sink.write(frame)
        assert sorted(os.listdir(target)) == [f"{n:08d}.png" for n in range(count)]
    (target / "diary.txt").write_text("mine")
    with pytest.raises(UsageError, match="images: exists and is not a folder of PNG only; choose another --output"):
        open_sink(target, probe(film), container="png")


def test_frames_that_do_not_arrive_are_noticed(film, tmp_path, monkeypatch):
    target = tmp_path / "result.mp4"
    monkeypatch.setattr("ppvsr.video.muxer.read_packets", lambda path: islice(read_packets(path), 5))
    with (
        pytest.raises(VideoError, match=r"result.mp4: 5 of 6 frames arrived in the file; it is not kept"),
        open_sink(target, probe(film), container="mp4") as sink,
    ):
        for frame in frames(6):
            sink.write(frame)
    assert os.listdir(tmp_path) == ["in"]


def test_unwritable_targets_are_refused_before_the_work(film, tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(UsageError, match=r"file/result.mp4: cannot be written: .*; choose another --output"):
        check_target(blocker / "result.mp4", "mp4")
    with pytest.raises(UsageError, match="cannot be written"):
        open_sink(blocker / "result.mp4", probe(film), container="mp4")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told(film, tmp_path):
    target = tmp_path / "out" / "full.mp4"
    with (
        pytest.raises(VideoError, match=r"full\.mp4: cannot be written: No space left on device$"),
        open_sink(target, probe(film), container="mp4") as sink,
    ):
        (partial_path(target) / ".000000.part").symlink_to("/dev/full")
        for frame in frames():
            sink.write(frame)
    assert list(target.parent.iterdir()) == [] and Path("/dev/full").exists()


def test_a_disk_that_fills_up_is_told(film, tmp_path):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with (
            pytest.raises(VideoError, match=r"full\.mp4: cannot be written: File too large"),
            open_sink(tmp_path / "full.mp4", probe(film), container="mp4", encoding=Encoding(crf=1)) as sink,
        ):
            for number in range(100):
                sink.write(Frame(np.roll(noise, number), Fraction(number, 25)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(tmp_path) == ["in"]


def test_a_folder_in_the_place_of_the_film_is_refused(film, tmp_path):
    with pytest.raises(UsageError, match="in: is a folder, but a film is to be written there; choose another --output"):
        open_sink(tmp_path / "in", probe(film), container="mp4")


@pytest.mark.parametrize(
    ("source", "output", "variants", "container", "wanted"),
    [
        ("Get.Smart.1x01.mp4", "out", ["PPMSVSR"], "mp4", "out/Get.Smart.1x01_PPMSVSR.mp4"),
        ("a b.avi", "out", ["EDVR", "BasicVSR"], "mkv", "out/a b_EDVR_BasicVSR.mkv"),
        ("电影.mov", "out", ["X"], "mov", "out/电影_X.mov"),
        ("film.mp4", "result.mkv", ["X"], "mkv", "result.mkv"),
        ("film.mp4", "v1.0", ["X"], "mp4", "v1.0/film_X.mp4"),
        ("film.mp4", "out", ["X"], "png", "out/film_X"),
        ("images/%08d.png", "out", ["X"], "mp4", "out/images_X.mp4"),
        ("images/*.png", "out", ["X"], "png", "out/images_X"),
    ],
)
def test_results_are_called_after_source_and_variants(source, output, variants, container, wanted):
    assert target_path(Path(source), Path(output), variants, container) == Path(wanted)


def test_a_folder_of_images_gives_its_name(tmp_path):
    (tmp_path / "scene.01").mkdir()
    assert target_path(tmp_path / "scene.01", Path("out"), ["X"], "mp4") == Path("out/scene.01_X.mp4")


def test_the_source_is_not_overwritten(tmp_path, monkeypatch):
    (tmp_path / "a.mp4").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"a\.mp4: input and output are the same; choose another --output"):
        target_path(Path("a.mp4"), tmp_path / "a.mp4", ["X"], "mp4")


REFUSED = {
    "misspelt": (
        {"codec": "lbx264"},
        "mp4",
        r"--codec lbx264: .* encoder of pictures; did you mean 'libx264'\?",
    ),
    "unknown": ({"codec": "quantum"}, "mp4", r"--codec quantum: .*; try libx264, libx265, libsvtav1 or libvpx-vp9"),
    "sound": ({"codec": "aac"}, "mp4", r"--codec aac: this FFmpeg has no such encoder of pictures"),
    "container": ({"codec": "libx264"}, "webm", r"--codec libx264: webm cannot hold it; choose another --container"),
    "format": ({"pix_fmt": "yuv420p12le"}, "mp4", r"--pix-fmt yuv420p12le: libx264 cannot do it \(it can: yuv420p, "),
    "quality": ({"crf": 9999}, "mp4", r"--crf 9999: of libx264 it is 0 \(best\) to 51; choose one of these"),
    "worst of x265": ({"crf": 52, "codec": "libx265"}, "mkv", "--crf 52: of libx265 it is 0 .* to 51"),
    "worst of AV1": ({"crf": 64, "codec": "libsvtav1"}, "mkv", "--crf 64: of libsvtav1 it is 0 .* to 63"),
    "worst of VP9": ({"crf": 64}, "webm", "--crf 64: of libvpx-vp9 it is 0 .* to 63"),
    "better than best": ({"crf": -1}, "mp4", "--crf -1: of libx264 it is 0 .* to 51"),
    "preset": ({"preset": "warp"}, "mp4", r"--codec libx264 with yuv420p at 256x192: the encoder refuses"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_an_encoder_cannot_do_is_refused_at_once(kind, film, capfd):
    options, container, message = REFUSED[kind]
    begin = time.perf_counter()
    with pytest.raises(UsageError, match=message):
        check_encoder(Encoding(**options), container, probe(film), (256, 192))
    assert time.perf_counter() - begin < 1
    assert capfd.readouterr().err in ("", "x264 [error]: invalid preset 'warp'\n")  # x264 itself


@pytest.mark.parametrize("codec", ["libx264", "libx264rgb", "libx265", "libsvtav1", "libvpx", "libvpx-vp9"])
def test_the_worst_quality_of_the_table_is_one(codec, film):
    for crf in QUALITIES[codec]:
        check_encoder(Encoding(codec=codec, crf=crf), "mkv", probe(film), (64, 48))


def test_odd_sizes_in_a_format_that_cannot_are_refused(film):
    with pytest.raises(UsageError, match=r"--codec libx264 with yuv420p at 255x191: the encoder refuses"):
        check_encoder(Encoding(pix_fmt="yuv420p"), "mp4", probe(film), (255, 191))


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1", "libvpx-vp9"])
def test_the_usual_codecs_know_quality_and_are_quiet(codec, film, tmp_path, capfd):
    encoding = Encoding(codec=codec, crf=30)
    assert check_encoder(encoding, "mp4", probe(film), (64, 48)) == []
    with open_sink(tmp_path / "b.mp4", probe(film), container="mp4", encoding=encoding) as sink:
        for frame in frames():
            sink.write(frame)
    assert len(list(open_and_read(tmp_path / "b.mp4"))) == 5
    assert capfd.readouterr() == ("", "")


def test_hevc_is_called_what_apples_players_look_for(film, tmp_path):
    with open_sink(tmp_path / "b.mp4", probe(film), container="mp4", encoding=Encoding(codec="libx265")) as sink:
        for frame in frames():
            sink.write(frame)
    with av.open(str(tmp_path / "b.mp4")) as result:
        assert result.streams.video[0].codec_context.codec_tag == "hvc1"


def test_options_a_codec_does_not_know_are_told(film):
    notes = check_encoder(Encoding(codec="mpeg4", preset="fast"), "mp4", probe(film), (64, 48))
    assert notes == ["mpeg4 has no option crf; 16 is ignored", "mpeg4 has no option preset; fast is ignored"]


def test_lost_bits_and_odd_sizes_are_told(tmp_path):
    info = probe(make_film(tmp_path / "a.mkv", codec="ffv1", pix_fmt="yuv420p10le"))
    assert check_encoder(Encoding(), "mp4", info, (64, 48)) == []
    assert check_encoder(Encoding(codec="mpeg4", crf=None), "mp4", info, (64, 48)) == [
        "mpeg4 stores 8 of the source's 10 bits here: smooth areas may show bands"
    ]
    assert check_encoder(Encoding(), "mp4", info, (63, 47)) == [
        "encoded as yuv444p10le, because libx264 needs even sizes for 4:2:0"
    ]


def test_quality_changes_the_size(film, tmp_path):
    sizes = []
    for crf in (1, 50):
        target = tmp_path / f"{crf}.mp4"
        with open_sink(target, probe(film), container="mp4", encoding=Encoding(crf=crf)) as sink:
            for frame in frames():
                sink.write(frame)
        sizes.append(target.stat().st_size)
    assert sizes[0] > sizes[1]


def test_containers_are_chosen_by_what_they_must_hold(tmp_path, film):
    assert choose_container(probe(film)) == ("mp4", None)
    assert choose_container(probe(film), "webm") == ("webm", None)
    assert choose_container(probe(make_film(tmp_path / "a.mov", companions=[Sound()]))) == ("mov", None)
    assert choose_container(probe(make_film(tmp_path / "a.mkv", companions=[Sound(codec="flac")]))) == ("mp4", None)
    source = make_film(tmp_path / "b.mkv", companions=[Sound(codec="tta")])
    assert choose_container(probe(source)) == (
        "mkv",
        "written as mkv, because mp4 cannot hold stream 1 (tta audio)",
    )


def test_names_of_images_are_kept(tmp_path):
    from tests.video.test_sources import write_images

    source = write_images(tmp_path / "in", 4, name="shot {}.png")
    (source / "shot 1.png").write_bytes(b"broken")
    with open_source(source) as images, open_sink(tmp_path / "out", images.info, container="png") as sink:
        for frame in images:
            sink.write(frame)
    assert sorted(os.listdir(tmp_path / "out")) == ["shot 0.png", "shot 2.png", "shot 3.png"]
    np.testing.assert_array_equal(*(next(open_and_read(tmp_path / each)).image for each in ("in", "out")))


def test_a_folder_that_is_not_ours_is_left_alone(film, tmp_path):
    target = tmp_path / "result.mp4"
    folder = partial_path(target)
    folder.mkdir()
    (folder / "diary.txt").write_text("dear diary")
    with (
        pytest.raises(UsageError, match="which no work of ppvsr left there"),
        open_sink(target, probe(film), container="mp4"),
    ):
        pass
    assert (folder / "diary.txt").read_text() == "dear diary"


def test_a_full_disk_promises_nothing_where_nothing_can_be_gone_on_with(film, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with (
        pytest.raises(VideoError, match=r"No space left on device$"),
        open_sink(tmp_path / "result.mp4", probe(film), container="mp4") as sink,
    ):
        for frame in frames():
            sink.write(frame)
        monkeypatch.setattr("ppvsr.video.output.os.replace", full)
