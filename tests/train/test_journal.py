"""What a run tells, to the letter."""

import json
import struct
import sys
import time

import cv2
import numpy as np
import pytest

from ppvsr.system.ranks import Ranks
from ppvsr.train.log import MB, Journal, peak_memory, read_events

NOON = time.mktime((2024, 3, 9, 12, 0, 0, 0, 0, -1))
COUNTS = {"clips": 2, "seconds": 0.5, "waited": 0.125}
LOSSES = {"loss_pix_stage2": 0.0625, "loss_pix": 0.1234}


def journal(folder, **options):
    options = {"total": 150_000, "tensorboard": False, "now": lambda: NOON, "memory": dict, **options}
    return Journal(folder, **options)


def trained(book, step, losses=LOSSES):
    book.trained(step, rate=2e-4, losses=losses, norm=1.5)


def test_the_line_is_paddlegans(tmp_path, capsys):
    book = journal(tmp_path, memory=lambda: {"max_mem_reserved": 1500 * MB, "max_mem_allocated": 1200 * MB + 1})
    book.count(**COUNTS)
    book.count(clips=2, seconds=0.7, waited=0.0)
    trained(book, 10)
    line = (
        "[03/09 12:00:00] ppvsr INFO: Iter: 10/150000 lr: 2.000e-04 loss_pix_stage2: 0.062 loss_pix: 0.123 "
        "batch_cost: 0.60000 sec reader_cost: 0.06250 sec ips: 3.33333 images/s eta: 1 day, 0:59:54 "
        "max_mem_reserved: 1500 MB max_mem_allocated: 1200 MB\n"
    )
    assert capsys.readouterr().out == line
    assert (tmp_path / "log.txt").read_text() == line


def test_costs_start_anew_after_each_line(tmp_path, capsys):
    book = journal(tmp_path, total=30)
    book.count(clips=1, seconds=100.0, waited=100.0)
    trained(book, 10)
    book.count(**COUNTS)
    trained(book, 20)
    assert (
        "batch_cost: 0.50000 sec reader_cost: 0.12500 sec ips: 4.00000 images/s eta: 0:00:05\n"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize("step, place", [(1, "1/5, iter: 1/7 "), (7, "1/5, iter: 7/7 "), (8, "2/5, iter: 1/7 ")])
def test_lines_may_count_epochs(tmp_path, capsys, step, place):
    book = journal(tmp_path, total=35, iters_per_epoch=7)
    book.count(**COUNTS)
    trained(book, step)
    assert f"ppvsr INFO: Epoch: {place}lr: " in capsys.readouterr().out


def test_events_are_json_and_null_stands_for_what_is_not_finite(tmp_path):
    book = journal(tmp_path, memory=lambda: {"max_rss": 5 * MB})
    book.count(**COUNTS)
    trained(book, 10, {"loss_pix": float("nan")})
    book.skipped(11, ["000/00000003", "café"], streak=1)
    book.saved(12, tmp_path / "iter_12_checkpoint.pdparams")
    book.validated(12, {"psnr": 31.2535, "ssim": float("inf")}, seconds=2.0)
    lines = (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    first, *rest = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    costs = {"batch_cost": 0.5, "reader_cost": 0.125, "ips": 4.0, "memory": {"max_rss": 5 * MB}}
    assert first == {
        "kind": "train",
        "step": 10,
        "time": NOON,
        "losses": {"loss_pix": None},
        "lr": 2e-4,
        "norm": 1.5,
        **costs,
    }
    assert rest == [
        {"kind": "skip", "step": 11, "time": NOON, "keys": ["000/00000003", "café"], "streak": 1},
        {"kind": "save", "step": 12, "time": NOON, "file": "iter_12_checkpoint.pdparams"},
        {"kind": "validate", "step": 12, "time": NOON, "metrics": {"psnr": 31.2535, "ssim": None}, "seconds": 2.0},
    ]


def test_a_validation_is_told_and_drawn(tmp_path, capsys):
    book = journal(tmp_path)
    book.validated(5, {"psnr": 31.25348, "ssim": 0.88839}, seconds=2.0)
    assert [line.split("INFO: ")[1] for line in capsys.readouterr().out.splitlines()] == [
        "Metric psnr: 31.2535",
        "Metric ssim: 0.8884",
    ]
    assert cv2.imread(str(tmp_path / "curves.png")).shape[1] == 900


def test_a_resumed_journal_appends_behind_a_torn_line(tmp_path):
    with journal(tmp_path) as book:
        book.say("first")
        book.saved(1, tmp_path / "a")
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "tr')  # killed here
    with journal(tmp_path) as book:
        book.saved(2, tmp_path / "b")
        book.saved(3, tmp_path / "c")
    assert [event["step"] for event in read_events(tmp_path / "metrics.jsonl")] == [1, 2, 3]
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 4
    assert (tmp_path / "log.txt").read_text().splitlines()[0].endswith(" first")


def test_other_ranks_write_warnings_only_into_files_of_their_own(tmp_path, capsys):
    book = journal(tmp_path, ranks=Ranks(1, 2), tensorboard=True)
    book.count(**COUNTS)
    trained(book, 10)
    book.say("nothing")
    book.saved(10, tmp_path / "x")
    book.validated(10, {"psnr": 1.0}, seconds=1.0)
    book.pictures(10, {"lq": np.zeros((2, 2, 3), np.uint8)})
    book.skipped(11, ["000/1"], streak=3)
    text = "step 11 is left out: loss or gradient not finite (3 in a row); clips 000/1"
    assert (tmp_path / "log.txt.rank1").read_text() == f"[03/09 12:00:00] ppvsr WARNING: {text}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["log.txt.rank1"]
    assert capsys.readouterr().out == ""


def test_pictures_keep_their_colours_and_names(tmp_path):
    picture = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    journal(tmp_path).pictures(5000, {"output": picture, "gt": picture[::-1]})
    assert sorted(path.name for path in (tmp_path / "visual_train").iterdir()) == [
        "iter5000_gt.png",
        "iter5000_output.png",
    ]
    written = cv2.imread(str(tmp_path / "visual_train" / "iter5000_output.png"))
    np.testing.assert_array_equal(written[..., ::-1], picture)


def records(folder):
    from tensorboardX.proto.event_pb2 import Event

    (file,) = folder.glob("events.out.tfevents.*")
    data, place = file.read_bytes(), 0
    while place < len(data):
        (size,) = struct.unpack_from("Q", data, place)
        yield Event.FromString(data[place + 12 : place + 12 + size])
        place += size + 16


def test_tensorboard_gets_scalars_and_pictures_and_drops_what_is_done_again(tmp_path):
    with journal(tmp_path, tensorboard=True, first=9) as book:
        book.count(**COUNTS)
        trained(book, 10)
        book.validated(10, {"psnr": 30.0}, seconds=1.0)
        book.pictures(10, {"gt": np.zeros((4, 6, 3), np.uint8)})
    version, start, *rest = records(tmp_path)
    assert version.file_version == "brain.Event:2"
    assert (start.step, start.session_log.status) == (9, 1)
    assert {each.step for each in rest} == {10} and {each.wall_time for each in rest} == {NOON}
    values = {each.summary.value[0].tag: each.summary.value[0] for each in rest}
    assert values["train/loss_pix"].simple_value == pytest.approx(0.1234)
    assert values["validate/psnr"].simple_value == 30.0
    assert (values["train/gt"].image.height, values["train/gt"].image.width) == (4, 6)
    assert {"train/lr", "train/norm", "train/batch_cost", "train/reader_cost", "train/ips"} < set(values)


@pytest.mark.parametrize(
    "module, remedy",
    [("tensorboardX.event_file_writer", "pip install tensorboardX"), ("matplotlib.figure", "pip install matplotlib")],
)
def test_a_missing_package_is_said_once(tmp_path, capsys, monkeypatch, module, remedy):
    monkeypatch.setitem(sys.modules, module, None)
    with journal(tmp_path, tensorboard=True) as book:
        book.validated(1, {"psnr": 1.0}, seconds=1.0)
        book.validated(2, {"psnr": 1.0}, seconds=1.0)
    assert capsys.readouterr().out.count(remedy) == 1
    assert [event["step"] for event in read_events(tmp_path / "metrics.jsonl")] == [1, 2]


def test_a_disk_that_refuses_does_not_stop_the_journal(tmp_path, capsys):
    gone = tmp_path / "gone"
    with journal(gone, tensorboard=True) as book:
        for step in (1, 2):
            book.count(**COUNTS)
            trained(book, step)
    out = capsys.readouterr().out
    for name in ("log.txt", "metrics.jsonl"):
        assert out.count(f"{name}: cannot be written: No such file or directory; training goes on without it") == 1
    assert out.count("Iter: ") == 2


def test_a_closed_console_does_not_stop_the_journal(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    journal(tmp_path).say("heard")
    assert "heard" in (tmp_path / "log.txt").read_text()


def test_memory_is_the_process_peak_without_a_gpu():
    ((name, size),) = peak_memory().items()
    assert name == "max_rss" and 50 * MB < size < 1 << 40
