"""The command as people type it, on a network whose results are known."""

import json
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import yaml

from ppvsr.cli.export import inference_main
from ppvsr.data.clips import read_picture
from ppvsr.errors import UsageError
from ppvsr.evaluate.metrics import PSNR
from ppvsr.export import exported
from ppvsr.export.exported import ExportedNetwork
from ppvsr.export.run import infer_film
from ppvsr.system.progress import Silence
from ppvsr.video.open import open_source
from tests.cli.exports import export_nearest, export_nearest_onnx
from tests.films import make_film, streams

ROOT = Path(__file__).parents[2]


def run(*arguments):
    return inference_main([str(argument) for argument in arguments])


def nearest(image):
    return image.repeat(4, axis=0).repeat(4, axis=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return export_nearest(tmp_path_factory.mktemp("models") / "nearest")


@pytest.fixture(autouse=True)
def trial_is_short(request, monkeypatch):
    """A child that imports nothing, except where the trial itself is looked at."""
    if "real_trial" not in request.fixturenames:
        monkeypatch.setattr(exported, "COMMAND", (sys.executable, "-c", ""))


@pytest.fixture
def real_trial():
    """The trial that users have."""


@pytest.fixture
def onnx_model(tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    return export_nearest_onnx(tmp_path / "nearest")


def measure(model, config, output, capsys):
    """Run a network on the clips of a config, and compare the scores with those of the pictures themselves."""
    assert run("--model_path", model, "-c", config, "--output_path", output) == 0
    said = capsys.readouterr().out
    results = json.loads((output / "results.json").read_text())
    assert results["model"] == str(model.with_suffix("")) and [each["frames"] for each in results["clips"]] == [3, 3, 3]
    folders = yaml.safe_load(config.read_text())["dataset"]["test"]
    expected = []
    for clip in results["clips"]:
        lq, gt = (sorted(Path(folders[f"{side}_folder"], clip["clip"]).iterdir())[:3] for side in ("lq", "gt"))
        pairs = zip(map(read_picture, lq), map(read_picture, gt), strict=True)
        expected.append(np.mean([PSNR()(nearest(small), large) for small, large in pairs]))
    assert results["mean"]["psnr"] == pytest.approx(np.mean(expected), abs=1e-3)
    assert f"Metric psnr: {results['mean']['psnr']:.4f}" in said
    assert re.search(r"9 frames in .* s a frame, .* frames a second; peak memory \d", said)
    return said, results


@pytest.mark.slow
def test_clips_of_a_config_are_measured(model, config, tmp_path, capsys, real_trial):
    said, results = measure(model.with_suffix(".json"), config, tmp_path / "out", capsys)
    assert results["runs_on"] == "Paddle Inference with oneDNN" and "Nearest, runs on Paddle Inference" in said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["results.csv", "results.json"]


def test_onnx_is_measured_alike(onnx_model, config, tmp_path, capsys):
    assert measure(onnx_model.with_suffix(".onnx"), config, tmp_path / "out", capsys)[1]["runs_on"] == "ONNX Runtime"


def test_a_film_keeps_its_sound_and_times(model, tmp_path, capsys):
    film = make_film(tmp_path / "clip.mkv", 12, sound=True, rate=Fraction(24000, 1001))
    assert run("--model_path", model, "--video", film, "--output_path", tmp_path / "large.mkv", "--threads", 1) == 0
    said = capsys.readouterr().out
    assert "windows of 5 frames with 1 of context" in said and "12 frames in" in said and "peak memory" in said
    (video, _, width, count), sound = streams(tmp_path / "large.mkv")
    assert (video, width, count) == ("video", 192, 12) and sound == streams(film)[1]
    with open_source(film) as small, open_source(tmp_path / "large.mkv") as large:
        for before, after in zip(small, large, strict=True):
            assert before.time == after.time
            assert abs(nearest(before.image).astype(int) - after.image).mean() < 3


def test_a_folder_gets_a_film_called_after_both(model, tmp_path):
    film = make_film(tmp_path / "clip.mp4", 3)
    assert run("--model_path", model, "--video", film, "--output_path", tmp_path / "out", "--frames", 2) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["clip_nearest.mp4"]
    assert streams(tmp_path / "out" / "clip_nearest.mp4")[0][3] == 2


def test_onednn_is_left_out_where_it_crashes(model, tmp_path, capsys, monkeypatch):
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    monkeypatch.setattr(exported, "COMMAND", (sys.executable, "-c", crash))
    film = make_film(tmp_path / "clip.mp4", 2)
    assert run("--model_path", model, "--video", film, "--output_path", tmp_path / "large.mp4") == 0
    said = capsys.readouterr().out
    assert "oneDNN is left out, which costs speed only: its trial crashed (SIGSEGV)" in said
    assert "runs on Paddle Inference without oneDNN" in said


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("", None),
        (f"raise SystemExit({exported.NOT_FINITE})", "its trial failed (results that are not finite)"),
        ("raise SystemExit(1)", "its trial failed (exit code 1)"),
    ],
)
def test_a_trial_says_how_it_went(code, reason, monkeypatch):
    monkeypatch.setattr(exported, "COMMAND", (sys.executable, "-c", code))
    assert exported.fails(Path("model"), 1) == reason


class Recorder:
    """A network that notes what it is given, as a program would be called."""

    def __init__(self, frames, height=None, width=None):
        self.about = {"inputs": [{"name": "lq", "shape": [1, frames, 3, height, width]}], "outputs": []}
        self.about |= {"scale": 4, "min_size": 1, "size_multiple": 1}
        self.path = Path("model")
        self.clips = []

    def run(self, arrays):
        self.clips.append(arrays["lq"])
        return {"sr": arrays["lq"].repeat(4, axis=3).repeat(4, axis=4)}

    def network(self):
        return ExportedNetwork(self, self.run, "a recorder")


def test_windows_end_where_scenes_end_and_are_filled_with_the_last_frame(tmp_path):
    path = tmp_path / "cut.mp4"
    with av.open(str(path), "w") as film:
        video = film.add_stream("libx264", rate=25, options={"crf": "4"})
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        rng = np.random.default_rng(0)
        for scene, count in ((0, 9), (160, 7)):
            texture = rng.integers(scene, scene + 80, (8, 8, 3)).astype(np.uint8).repeat(8, axis=0).repeat(8, axis=1)
            for _ in range(count):
                film.mux(video.encode(av.VideoFrame.from_ndarray(texture, format="rgb24")))
        film.mux(video.encode())
    recorder = Recorder(5)
    infer_film(recorder.network(), str(path), tmp_path / "large.mp4", Silence(), overlap=1)
    bright = [[frame.mean() > 0.5 for frame in clip[0]] for clip in recorder.clips]
    assert all(len(set(frames)) == 1 for frames in bright), bright
    assert [frames[0] for frames in bright] == [False] * 3 + [True] * 2
    assert all(clip.shape == (1, 5, 3, 64, 64) for clip in recorder.clips)
    assert streams(tmp_path / "large.mp4")[0][3] == 16


def test_a_short_clip_is_filled_up_and_the_surplus_left_out():
    paddle = pytest.importorskip("paddle")
    recorder = Recorder(5)
    clip = paddle.rand([1, 3, 3, 8, 8])
    (answer,) = recorder.network()(clip)
    assert answer.shape == [1, 3, 3, 32, 32]
    (given,) = recorder.clips
    assert np.array_equal(given[:, :3], clip.numpy())
    assert all(np.array_equal(given[:, i], given[:, 2]) for i in (3, 4))


def test_longer_clips_and_other_windows_are_refused():
    paddle = pytest.importorskip("paddle")
    network = Recorder(5).network()
    with pytest.raises(UsageError, match=r"model: takes 5 frames at once, not 6; leave validate.mirror"):
        network(paddle.rand([1, 6, 3, 8, 8]))
    with pytest.raises(UsageError, match="--num_frames 6: model was exported for 5 frames at once"):
        network.window(6, None)
    with pytest.raises(UsageError, match="--overlap 2: windows of 4 frames can overlap by 1 on either side"):
        network.window(4, 2)
    assert network.window(None, None) == (5, 1) and network.window(3, 0) == (3, 0)


def test_another_size_is_refused_before_anything_is_written(tmp_path, capsys):
    model = export_nearest(tmp_path / "fixed", height=64, width=96)
    film = make_film(tmp_path / "clip.mp4", 2)
    assert run("--model_path", model, "--video", film, "--output_path", tmp_path / "out") == 2
    err = capsys.readouterr().err
    size = (
        "takes frames of 96x64, not of 48x32; export the network for that size (tools/export_model.py -s 1,5,3,32,48)"
    )
    assert size in err and err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_clips_of_another_size_are_refused(config, tmp_path, capsys):
    model = export_nearest(tmp_path / "fixed", height=64, width=96)
    assert run("--model_path", model, "-c", config, "--output_path", tmp_path / "out") == 2
    err = capsys.readouterr().err
    assert "takes frames of 96x64, not of 64x64" in err and not (tmp_path / "out").exists()


def test_a_config_that_mirrors_is_refused(model, config, tmp_path, capsys):
    command = ["--model_path", model, "-c", config, "--output_path", tmp_path / "out", "-o", "validate.mirror=true"]
    assert run(*command) == 2
    assert "leave validate.mirror and MirrorVideoSequence out" in capsys.readouterr().err


REFUSALS = {
    "nothing to do": (["--model_path", "m"], "give either -c CONFIG"),
    "two things to do": (["--model_path", "m", "-c", "a.yaml", "--video", "b.mp4"], "give either -c CONFIG"),
    "no network": (["-c", "a.yaml"], "--model_path"),
    "option of no config": (["--model_path", "m", "--video", "b", "-o", "a=1"], "--opt changes a config"),
    "frames of clips": (["--model_path", "m", "-c", "a.yaml", "--frames", "3"], "--frames is for --video"),
    "missing network": (["--model_path", "missing/m", "--video", "b.mp4"], "missing/m"),
    "a GPU": (["--model_path", "m", "--video", "b", "--device", "gpu"], "invalid choice: 'gpu'"),
}


@pytest.mark.parametrize(("arguments", "message"), REFUSALS.values(), ids=REFUSALS)
def test_wrong_use_is_one_line_and_exit_code_2(arguments, message, capsys):
    assert run(*arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("ppvsr-inference: ") and message in err and err.count("\n") == 1


def test_the_steps_of_a_network_are_not_a_network(tmp_path, capsys):
    model = export_nearest(tmp_path / "steps", kind="steps")
    assert run("--model_path", model, "--video", "clip.mp4") == 2
    assert "steps" in capsys.readouterr().err


def test_a_damaged_network_is_not_run(tmp_path, capsys, real_trial):
    model = export_nearest(tmp_path / "damaged")
    weights = model.with_suffix(".pdiparams")
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert run("--model_path", model, "--video", "clip.mp4") == 1
    assert "damaged.pdiparams: it is damaged or of another export" in capsys.readouterr().err


def test_a_missing_film_is_one_line(model, tmp_path, capsys):
    assert run("--model_path", model, "--video", tmp_path / "none.mp4", "--output_path", tmp_path / "out") == 2
    assert "none.mp4: does not exist" in capsys.readouterr().err


def test_flags_of_paddlegan_that_mean_nothing_are_taken(model, tmp_path):
    film = make_film(tmp_path / "clip.mp4", 2)
    old = ["--model_type", "msvsr", "--seed", 1, "--device", "cpu"]
    assert run("--model_path", model, "--video", film, "--output_path", tmp_path / "large.mp4", *old) == 0


def test_the_tool_runs_from_any_folder_and_help_is_free(tmp_path):
    code = "import sys; from ppvsr.cli.export import inference_main as main; main([]); "
    code += "print({'paddle', 'av'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    command = [sys.executable, ROOT / "tools" / "inference.py", "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "--model_path" in done.stdout and "examples:" in done.stdout
