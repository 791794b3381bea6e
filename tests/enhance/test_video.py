"""Scenes, other sizes and previews, from file to file."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

import ppvsr
from ppvsr.enhance.finish import Finish
from ppvsr.enhance.network import BicubicEnhancer
from ppvsr.errors import UsageError
from ppvsr.video.frames import Moment
from ppvsr.video.scenes import SceneOptions
from tests.films import make_film, pictures, streams

FIRST, SECOND = 10, 12  # frames of the two scenes


def cut_film(path):
    """Two scenes, one behind the other: gradients, and the same ones upside down and inverted."""
    scenes = [*pictures(FIRST), *(255 - image[::-1, ::-1] // 4 for image in pictures(SECOND))]
    with av.open(str(path), "w") as film:
        video = film.add_stream("libx264", rate=25, options={"crf": "10"})
        video.height, video.width, video.pix_fmt = *scenes[0].shape[:2], "yuv420p"
        for image in scenes:
            film.mux(video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        film.mux(video.encode())
    return path


@pytest.fixture
def streams_of(monkeypatch):
    """The lengths of the streams that the enhancer was given."""
    lengths = []
    own = BicubicEnhancer.__call__

    def counted(self, frames):
        lengths.append(0)
        for frame in own(self, frames):
            lengths[-1] += 1
            yield frame

    monkeypatch.setattr(BicubicEnhancer, "__call__", counted)
    return lengths


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [FIRST, SECOND]),
        ({"scenes": SceneOptions(detect=False)}, [FIRST + SECOND]),
        ({"scenes": SceneOptions(threshold=255.0)}, [FIRST + SECOND]),
        ({"segment": 8}, [FIRST, 8, 4]),  # a rest of two joins the piece before it
    ],
)
def test_every_scene_is_a_film_of_its_own(tmp_path, streams_of, options, expected):
    result = ppvsr.enhance_video(cut_film(tmp_path / "in.mp4"), tmp_path / "out.mp4", "Bicubic", **options)
    assert streams_of == expected and result.frames == FIRST + SECOND


def test_scenes_can_be_listed(tmp_path, streams_of):
    listed = tmp_path / "scenes.csv"
    listed.write_text("0\n3\n20\n")
    scenes = SceneOptions(file=listed)
    ppvsr.enhance_video(cut_film(tmp_path / "in.mp4"), tmp_path / "out.mp4", "Bicubic", scenes=scenes)
    assert streams_of == [3, 17, 2]


def test_a_wrong_list_is_refused_before_any_work(tmp_path, streams_of):
    listed = tmp_path / "scenes.csv"
    listed.write_text("0\nsoon\n")
    with pytest.raises(UsageError, match="line 2: 'soon' is not the number of a frame"):
        ppvsr.enhance_video(
            cut_film(tmp_path / "in.mp4"), tmp_path / "out.mp4", "Bicubic", scenes=SceneOptions(file=listed)
        )
    assert not streams_of and not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    ("finish", "width"), [(Finish(scale=Fraction(2)), 96), (Finish(height=64), 96), (Finish(scale=Fraction(4)), 192)]
)
def test_the_result_has_the_size_that_was_asked_for(tmp_path, finish, width):
    film = make_film(tmp_path / "in.mp4", 3)  # 48x32
    path = ppvsr.enhance_video(film, tmp_path / "out.mp4", "Bicubic", finish=finish).path
    assert streams(path)[0][2:] == (width, 3)


def test_more_than_the_network_gives_is_refused(tmp_path):
    film = make_film(tmp_path / "in.mp4", 3)
    with pytest.raises(UsageError, match="so --height 128 is the most"):
        ppvsr.enhance_video(film, tmp_path / "out.mp4", "Bicubic", finish=Finish(height=130))


def test_a_preview_is_a_short_film_with_sound_and_a_picture(tmp_path):
    film = make_film(tmp_path / "in.mp4", 50, sound=True)
    at = Moment(Fraction(1), Fraction(1, 2))
    lines = []

    class Listener:
        def say(self, line):
            lines.append(line)

        def progress(self, done, total):
            assert done <= total == 13

    result = ppvsr.enhance_video(film, tmp_path / "out", "Bicubic", preview=at, reporter=Listener())
    assert result.path == tmp_path / "out/in_Bicubic_preview.mp4" and result.frames == 13
    video, sound = streams(result.path)
    assert video[2:] == (192, 13) and sound[0] == "audio" and 20 <= sound[3] <= 27  # half a second of 1024 samples
    picture = cv2.imread(str(tmp_path / "out/in_Bicubic_preview.png"))
    assert picture.shape == (128, 192, 3) and (picture[:, 95] == 255).all()  # the line
    assert any("in_Bicubic_preview.png: bicubic on the left, Bicubic on the right" in line for line in lines)
    assert {each.name for each in (tmp_path / "out").iterdir()} == {"in_Bicubic_preview.mp4", "in_Bicubic_preview.png"}


def test_a_preview_beyond_the_end_is_refused(tmp_path):
    film = make_film(tmp_path / "in.mp4", 5)
    with pytest.raises(UsageError, match="has no frame at or after 10 s"):
        ppvsr.enhance_video(film, tmp_path / "out", "Bicubic", preview=Moment(Fraction(10), Fraction(1)))
    assert not list((tmp_path / "out").glob("*"))


def test_a_preview_never_replaces_its_source(tmp_path):
    film = make_film(tmp_path / "clip_preview.mp4", 5)
    before = film.read_bytes()
    with pytest.raises(UsageError, match="input and output are the same"):
        ppvsr.enhance_video(film, tmp_path / "clip.mp4", "Bicubic", preview=Moment(Fraction(0), Fraction(1)))
    assert film.read_bytes() == before


def test_previews_as_pictures_keep_dots_in_names(tmp_path):
    film = make_film(tmp_path / "Get.Smart.1x01.mp4", 3)
    at = Moment(Fraction(0), Fraction(1))
    path = ppvsr.enhance_video(film, tmp_path / "out", "Bicubic", preview=at, container="png").path
    assert path.name == "Get.Smart.1x01_Bicubic_preview" and len(list(path.iterdir())) == 3
    assert path.with_name(f"{path.name}.png").is_file()


@pytest.mark.parametrize("part", [{"start": Fraction(1)}, {"frames": 3}])
def test_a_preview_and_another_part_exclude_each_other(tmp_path, part):
    with pytest.raises(UsageError, match="leave --start and --frames out"):
        ppvsr.enhance_video(tmp_path / "a.mp4", tmp_path, "Bicubic", preview=Moment(Fraction(0), Fraction(1)), **part)
