"""Scenes of a film: by the detector, by a list that may be hostile, or not at all."""

import os
import random
from fractions import Fraction

import numpy as np
import pytest

from ppvsr.errors import UsageError
from ppvsr.video.frames import Frame
from ppvsr.video.scenes import LARGEST, SceneOptions, marked, read_scenes

RATE = Fraction(24000, 1001)
TIMECODES = "Timecode List:,00:00:00.417,00:00:01.251\n"
HEAD = (
    "Scene Number,Start Frame,Start Timecode,Start Time (seconds),End Frame,End Timecode,End Time (seconds),"
    "Length (frames),Length (timecode),Length (seconds)\n"
)
ROWS = [  # as PySceneDetect 0.6 writes them
    "1,1,00:00:00.000,0.000,10,00:00:00.417,0.417,10,00:00:00.417,0.417\n",
    "2,11,00:00:00.417,0.417,30,00:00:01.251,1.251,20,00:00:00.834,0.834\n",
    "3,31,00:00:01.251,1.251,40,00:00:01.668,1.668,10,00:00:00.417,0.417\n",
]


def film(count, rate=RATE, level=lambda number: 0):
    for number in range(count):
        yield Frame(np.full((4, 4, 3), level(number), np.uint8), number / rate)


def cuts(frames, options, **others):
    return [n for n, (_, cut) in enumerate(marked(frames, options, **{"rate": RATE, **others})) if cut]


def listed(tmp_path, text):
    path = tmp_path / "scenes.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return SceneOptions(file=path)


def test_scenes_are_detected_unless_one_does_not_want_them():
    def frames():
        return film(40, level=lambda number: 0 if number < 20 else 200)

    assert cuts(frames(), SceneOptions()) == [20]
    assert cuts(frames(), SceneOptions(threshold=201)) == []
    assert cuts(frames(), SceneOptions(detect=False)) == []


@pytest.mark.parametrize("options", [SceneOptions(), SceneOptions(detect=False)])
def test_every_frame_comes_through_in_order(options):
    assert [frame.time * RATE for frame, _ in marked(film(30), options, rate=RATE)] == list(range(30))


@pytest.mark.parametrize(
    "text",
    [
        TIMECODES + HEAD + "".join(ROWS),
        HEAD + "".join(ROWS),
        (HEAD + "".join(ROWS)).replace("\n", "\r\n"),
        b"\xef\xbb\xbf" + HEAD.encode() + "".join(ROWS).encode(),
        "Start Frame\n1\n11\n31\n",
        "start frame,name\n0,one\n10,two\n30,three\n",
        "Start Time (seconds)\n0.000\n0.417\n1.251\n",
        "Start Timecode\n00:00:00.000\n00:00:00.417\n00:00:01.251\n",
        "0\n10\n30\n",
        "10\n30",
        "# first frames\n\n 10 \n\n30\n",
        "0\n0.417\n1.251\n",
        "00:00.417\n00:01.251\n",
        '"10"\n"30"\n',
        b"\xef\xbb\xbf10\n30\n",
    ],
)
def test_lists_are_read_as_programs_and_people_write_them(tmp_path, text):
    assert cuts(film(40), listed(tmp_path, text)) == [10, 30]


def test_a_list_is_read_before_the_first_frame(tmp_path):
    with pytest.raises(UsageError):
        marked(iter(()), listed(tmp_path, "x\n"), rate=RATE)


def test_rounded_times_mean_the_nearest_frame_whatever_the_rate(tmp_path):
    for rate in (Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(60), Fraction(120)):
        first = sorted(random.Random(1).sample(range(1, 300), 20))
        options = listed(tmp_path, "\n".join(f"{float(n / rate):.3f}" for n in first))
        assert cuts(film(300, rate), options, rate=rate) == first


def test_numbers_count_frames_even_where_times_are_uneven(tmp_path):
    frames = [Frame(frame.image, frame.time * (3 if frame.time > 1 else 1)) for frame in film(40)]
    assert cuts(frames, listed(tmp_path, HEAD + "".join(ROWS))) == [10, 30]


def test_a_part_of_a_film_is_cut_by_times(tmp_path):
    start = 12 / RATE
    assert cuts(film(28), listed(tmp_path, HEAD + "".join(ROWS)), start=start) == [18]
    assert cuts(film(28), listed(tmp_path, "10\n30\n"), start=start) == [18]
    assert cuts(film(28), listed(tmp_path, "0.417\n1.251\n"), start=start) == [18]


def test_scenes_after_the_end_are_told(tmp_path):
    said = []
    options = listed(tmp_path, "10\n39\n40\n999999999\n")
    assert cuts(film(40), options, say=said.append) == [10, 39]
    assert said == [f"{options.file}: 2 of 4 scenes begin after the last frame, from line 3 on"]


def test_nothing_is_said_when_all_scenes_are_there(tmp_path):
    assert cuts(film(40), listed(tmp_path, "10\n39\n"), say=pytest.fail) == [10, 39]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no scene; use --no-scenes for a film without cuts"),
        (HEAD, "names no scene"),
        (TIMECODES, "names no scene"),
        ("# nothing\n\n", "names no scene"),
        ("10\nx\n", "line 2: 'x' is not the number of a frame, such as 0 or 1500"),
        ("10\n-5\n", "line 2: '-5' is not the number of a frame"),
        ("\n\n10\nnan\n", "line 4: 'nan' is not the number"),
        ("10\ninf\n", "line 2: 'inf' is not the number"),
        ("10\n1e9\n", "line 2: '1e9' is not the number"),
        ("10\n9999999999\n", "line 2: '9999999999' is not the number"),
        ("9" * 10000, f"line 1: '{'9' * 40}' is not the number"),
        ("10\n\u0663\u0661\n", "line 2: '\u0663\u0661' is not the number"),
        ("1.5\n-2.5\n", "line 2: '-2.5' is not a time, such as 62.5 or 00:01:02.500"),
        ("1.5\nnan\n", "line 2: 'nan' is not a time"),
        ("1:2:3:4\n", "line 1: '1:2:3:4' is not a time"),
        ("1.5\n" + "9" * 5000 + ".0\n", "line 2: '9{40}' is not a time"),
        ("10\n30\n20\n", "line 3: does not begin after line 2; sort the scenes"),
        ("10\n10\n", "line 2: does not begin after line 1"),
        ("1.5\n1.2\n", "line 2: does not begin after line 1"),
        ("10,20,30\n", r"line 1: has 3 columns, and none is called Start Frame, Start Time \(seconds\) or Start"),
        (HEAD + ROWS[0] + "2,abc,x,y\n", "line 3: 'abc' is not the number of a frame"),
        (HEAD + ROWS[0] + "2\n", "line 3: '' is not the number of a frame"),
        (HEAD + ROWS[0] + "2,11,00:00:00.417,soon\n", "line 3: 'soon' is not a time"),
        (HEAD + ROWS[0] + ROWS[2] + ROWS[1], "line 4: does not begin after line 3"),
        ("Start Frame,Start Time (seconds)\n1,0\n5,3\n9,2\n", "line 4: does not begin after line 3"),
        (b"10\n\xff\xfe\x00\n", "line 2: is not text; a list of scenes is a CSV file in UTF-8"),
        (b"10\n\x00\n", "line 2: "),
        ("10\n" + "x" * 200_000, "line 2: is not CSV: field larger than field limit"),
        ('10\n"20\n30\n', "line 3: "),
        (b"1" * (LARGEST + 1), "is larger than 16 MB, which no list of scenes is"),
    ],
)
def test_what_is_no_list_of_scenes_ends_in_one_line(tmp_path, text, message):
    path = listed(tmp_path, text).file
    with pytest.raises(UsageError, match=message) as raised:
        read_scenes(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


def test_what_is_no_file_ends_in_one_line(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="there is no such list of scenes"):
        read_scenes(tmp_path / "absent.csv")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(UsageError, match="is not a file"):
            read_scenes(path)
    with pytest.raises(UsageError, match="cannot be read: File name too long"):
        read_scenes(tmp_path / ("n" * 5000))


def test_lists_broken_at_random_are_read_or_refused(tmp_path):
    rng = random.Random(2)
    whole = (TIMECODES + HEAD + "".join(ROWS)).encode()
    refused = 0
    for _ in range(400):
        broken = bytearray(whole)
        for _ in range(rng.randrange(1, 6)):
            broken[rng.randrange(len(broken))] = rng.choice(b'\0\n\r",;:.-0159 nax\xff\xc3')
        options = listed(tmp_path, bytes(broken[: rng.randrange(len(broken) + 1)]))
        try:
            assert len(list(marked(film(3), options, rate=RATE))) == 3
        except UsageError as error:
            assert "\n" not in str(error)
            refused += 1
    assert 30 < refused < 400


@pytest.mark.parametrize("threshold", [0, -1, 256, float("nan"), float("inf")])
def test_thresholds_that_cannot_be_are_refused(threshold):
    with pytest.raises(UsageError, match=f"--scene-threshold {threshold:g}: must be above 0 and at most 255"):
        SceneOptions(threshold=threshold)


def test_a_list_and_no_scenes_contradict_each_other(tmp_path):
    with pytest.raises(UsageError, match=r"a.csv and --no-scenes contradict each other; leave one of them out"):
        SceneOptions(file=tmp_path / "a.csv", detect=False)
