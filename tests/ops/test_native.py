import fcntl
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import paddle
import pytest
from paddle.vision.ops import deform_conv2d as paddle_deform_conv2d

from ppvsr.ops import build, native
from ppvsr.ops.deform import DeformConv2D, FlowGuidedAlignment, use_native

ROOT = Path(__file__).parents[2]


def case(*, n=1, c=8, co=8, size=(11, 13), kernel=(3, 3), stride=1, padding=1, dilation=1, dg=2, groups=1):
    """Make inputs whose offsets lie anywhere: between pixels, on pixels, on the border and far outside."""
    rng = np.random.default_rng(0)
    pairs = [each if isinstance(each, tuple) else (each, each) for each in (stride, padding, dilation)]
    oh, ow = ((s + 2 * p - d * (k - 1) - 1) // q + 1 for s, k, q, p, d in zip(size, kernel, *pairs, strict=True))
    taps = kernel[0] * kernel[1]
    offset = rng.normal(scale=3, size=(n, 2 * dg * taps, oh, ow))
    kind = rng.random(offset.shape)
    offset[kind < 0.3] = np.round(offset[kind < 0.3])
    offset[kind > 0.9] *= 50
    offset[kind > 0.99] = 1e30
    arrays = {
        "x": rng.normal(size=(n, c, *size)),
        "offset": offset,
        "weight": rng.normal(size=(co, c // groups, *kernel)) / np.sqrt(taps * c / groups),
        "bias": rng.normal(size=co),
        "mask": rng.random((n, dg * taps, oh, ow)),
    }
    tensors = {key: paddle.to_tensor(value.astype(np.float32), stop_gradient=False) for key, value in arrays.items()}
    options = {"stride": stride, "padding": padding, "dilation": dilation, "deformable_groups": dg, "groups": groups}
    return tensors, options


def run(convolve, tensors, options):
    """Return the result and all gradients as arrays."""
    result = convolve(**tensors, **options)
    weigh = paddle.to_tensor(np.random.default_rng(1).normal(size=result.shape).astype(np.float32))
    gradients = paddle.grad(result, list(tensors.values()), weigh)
    return {"result": result.numpy(), **{key: each.numpy() for key, each in zip(tensors, gradients, strict=True)}}


def assert_equal(actual, expected):
    """Within 1e-5, of the largest number where sums over all pixels are larger than 1."""
    for key, value in expected.items():
        atol = 1e-5 * max(1, np.abs(value).max())
        np.testing.assert_allclose(actual[key], value, rtol=0, atol=atol, err_msg=key)


CASES = {
    "of PP-MSVSR": {"c": 32, "co": 32, "dg": 4, "size": (17, 40)},
    "of its local fusion": {"c": 32, "co": 32, "dg": 8, "n": 2},
    "of BasicVSR++": {"c": 128, "co": 64, "dg": 16},
    "one group": {"c": 24, "co": 5, "dg": 1},
    "single channels": {"c": 3, "co": 3, "dg": 3},
    "groups of both kinds": {"c": 12, "co": 12, "dg": 4, "groups": 3, "n": 2},
    "wide and narrow groups": {"c": 16, "co": 8, "dg": 1, "groups": 4},
    "one tap, one pixel": {"kernel": (1, 1), "padding": 0, "size": (1, 1)},
    "strides": {"stride": (2, 3), "padding": (0, 2), "dilation": (2, 1), "n": 3},
    "long kernel": {"kernel": (5, 2), "padding": 2, "c": 20, "dg": 2},
}


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_it_is_equal_to_paddles(operator, options):
    tensors, options = case(**options)
    assert_equal(run(native.deform_conv2d, tensors, options), run(paddle_deform_conv2d, tensors, options))


@pytest.mark.parametrize("edge", [-1.0, -0.999999, -0.5, 0.0, 2.0, 2.5, 2.999999, 3.0])
def test_borders_are_paddles(operator, edge):
    """One tap that reads exactly there, in a picture of 3 x 3 pixels; its slope has two answers on a pixel."""
    tensors, options = case(n=2, c=4, co=4, size=(3, 3), kernel=(1, 1), stride=3, padding=0, dg=1)
    offset = np.float32([[edge, 1.25], [1.25, edge]]).reshape(2, 2, 1, 1)
    tensors["offset"] = paddle.to_tensor(offset, stop_gradient=False)
    assert_equal(run(native.deform_conv2d, tensors, options), run(paddle_deform_conv2d, tensors, options))


def test_what_is_no_number_reads_nothing(operator):
    tensors, options = case()
    tensors["offset"] = paddle.full_like(tensors["offset"], float("nan"))
    result = native.deform_conv2d(**tensors, **options)
    assert (result.numpy() == tensors["bias"].numpy().reshape(1, -1, 1, 1)).all()


def test_pixels_that_are_not_read_do_not_count(operator):
    tensors, options = case(c=4, co=4, dg=1)
    x = tensors["x"].numpy()
    x[..., 8:, :] = np.inf  # on them and next to them, Paddle's result is not finite either
    tensors["x"] = paddle.to_tensor(x)
    tensors["offset"] = paddle.zeros_like(tensors["offset"])
    assert np.isfinite(native.deform_conv2d(**tensors, **options).numpy()[..., :6, :]).all()


@pytest.mark.parametrize("left_out", [["bias"], ["mask"], ["bias", "mask"]])
def test_bias_and_mask_may_be_missing(operator, left_out):
    tensors, options = case()
    for key in left_out:
        del tensors[key]
    assert_equal(run(native.deform_conv2d, tensors, options), run(paddle_deform_conv2d, tensors, options))


def test_runs_are_equal_bit_for_bit_whatever_the_threads(operator, threads):
    tensors, options = case(n=2, c=32, co=32, dg=8, size=(40, 60))
    results = []
    for number in (1, 2, 2, 3, 8):
        with threads(number):
            results.append(run(native.deform_conv2d, tensors, options))
    for other in results[1:]:
        for key, value in other.items():
            np.testing.assert_array_equal(value, results[0][key], err_msg=key)


def test_weights_can_learn_where_offsets_need_no_gradient(operator):
    """Paddle itself dies of this on CPU."""
    tensors, options = case()
    tensors["offset"].stop_gradient = tensors["x"].stop_gradient = True
    expected = run(paddle_deform_conv2d, case()[0], options)["weight"]
    weigh = paddle.to_tensor(np.random.default_rng(1).normal(size=(1, 8, 11, 13)).astype(np.float32))
    (native.deform_conv2d(**tensors, **options) * weigh).sum().backward()
    np.testing.assert_allclose(tensors["weight"].grad.numpy(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("key", "index", "message"),
    [
        ("mask", np.s_[:, 1:], "offset or mask do not fit"),
        ("offset", np.s_[..., 1:], "the offset has not the size of the output"),
        ("weight", np.s_[:, 1:], "channels do not fit the groups or the weight"),
        ("bias", np.s_[1:], "the bias does not fit the weight"),
    ],
)
def test_shapes_are_checked(operator, key, index, message):
    tensors, options = case()
    tensors[key] = tensors[key][index]
    with pytest.raises(OSError, match=message):  # as Paddle calls what an operator throws
        native.deform_conv2d(**tensors, **options)


PROGRAM = """
import sys, paddle, paddle.nn as nn, paddle.nn.functional as F
from ppvsr.ops.deform import DeformConv2D, use_native

class Net(nn.Layer):
    def __init__(self):
        super().__init__()
        widths = [(3, 32), (32, 72), (32, 36)]
        self.features, self.offset, self.mask = (nn.Conv2D(i, o, 3, padding=1) for i, o in widths)
        self.dcn = DeformConv2D(32, 32, 4)
        self.last = nn.Conv2D(32, 32, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.features(x))
        return self.last(F.relu(self.dcn(x, 3 * self.offset(x), F.sigmoid(self.mask(x)))))

paddle.seed(0)
net, sizes = Net(), [(2, 3, 19, 37), (1, 3, 32, 24)]
pictures = [paddle.rand(size) for size in sizes]
expected = [net(x) for x in pictures]
assert use_native(net) is None
path = sys.argv[1]
paddle.jit.save(net, path, input_spec=[paddle.static.InputSpec([None, 3, None, None])])
loaded = paddle.jit.load(path)
runs = {"saved": lambda x: loaded(x)}
from paddle.inference import Config, create_predictor
for name, choose in {"plain": Config.disable_mkldnn, "onednn": Config.enable_mkldnn}.items():
    config = Config(path + ".json", path + ".pdiparams")
    choose(config)
    runs[name] = lambda x, predictor=create_predictor(config): predictor.run([x])[0]
for name, run in runs.items():
    print(name, max(float((run(x) - e).abs().max()) for x, e in zip(pictures, expected)), flush=True)
"""


@pytest.mark.slow
def test_it_works_in_saved_programs_and_in_paddle_inference(operator, tmp_path):
    """In a process of its own: oneDNN, which once handed over a layout of its own, might take this one down."""
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    command = [sys.executable, "-W", "ignore", str(script), str(tmp_path / "net")]
    child = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert child.returncode == 0, child.stderr
    differences = dict(line.split() for line in child.stdout.splitlines() if line.count(" ") == 1)
    assert set(differences) >= {"saved", "plain", "onednn"}
    assert all(float(differences[name]) < 1e-5 for name in ("saved", "plain", "onednn")), differences


def align(net):
    paddle.seed(1)
    return net(paddle.rand([1, 8, 9, 10]), paddle.rand([1, 8, 9, 10]), paddle.randn([1, 2, 9, 10]))[0].numpy()


def test_a_network_is_switched_and_switched_back(operator, monkeypatch):
    net = FlowGuidedAlignment(8, groups=2)
    before = align(net)
    calls = []
    real = native.deform_conv2d
    monkeypatch.setattr(native, "deform_conv2d", lambda *args, **kwargs: calls.append(1) or real(*args, **kwargs))
    assert use_native(net) is None
    np.testing.assert_allclose(align(net), before, rtol=0, atol=1e-5)
    assert len(calls) == 1
    assert use_native(net, False) is None
    np.testing.assert_array_equal(align(net), before)
    assert len(calls) == 1


# Without the operator


@pytest.fixture
def lost(tmp_path, monkeypatch):
    """Call `load` on a machine that has nothing in its cache; returns what it says."""
    monkeypatch.setenv("PPVSR_CACHE", str(tmp_path / "cache"))

    def load(**environment):
        for key, value in environment.items():
            monkeypatch.setenv(key, str(value))
        return native.load.__wrapped__()

    return load


def test_no_compiler(lost, tmp_path):
    reason = lost(PATH=tmp_path)
    assert "Paddle's own operators do the work" in reason and "\n" not in reason
    assert "no C++ compiler (g++, c++, clang++) was found; install g++" in reason
    assert "no C++ compiler (no-such) was found; correct $CXX" in lost(CXX="no-such")


def test_failing_compiler(lost, tmp_path):
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho disk is blue\nexit 1\n")
    compiler.chmod(0o755)
    reason = lost(CXX=compiler)
    (log,) = (tmp_path / "cache/native").glob("*.log")
    assert f"{compiler} failed, see {log}; install g++" in reason
    assert "disk is blue" in log.read_text()
    assert not list((tmp_path / "cache/native").glob("*.part"))


def test_cache_that_cannot_be_written(lost, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot keep it here" in lost(PPVSR_CACHE=tmp_path / "file", CXX="true")


def test_damaged_library(lost, tmp_path):
    reason = lost(CXX=fake_compiler(tmp_path))
    (home,) = (path.parent for path in (tmp_path / "cache/native").glob("*/library.so"))
    assert "cannot be loaded" in reason and f"remove {home}" in reason and "\n" not in reason


def test_other_systems(lost, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "on Linux only, not on darwin" in lost()


def test_everything_works_through_paddles_operator(monkeypatch):
    monkeypatch.setattr(native, "load", lambda: "what is lost")
    tensors, options = case()
    with pytest.warns(RuntimeWarning, match="what is lost"):
        result = native.deform_conv2d(**tensors, **options)
    np.testing.assert_array_equal(result.numpy(), paddle_deform_conv2d(**tensors, **options).numpy())
    net = DeformConv2D(8, 8, groups=2)
    assert use_native(net) == "what is lost"
    assert not net.native


def test_other_types_and_devices_are_paddles(monkeypatch):
    monkeypatch.setattr(native, "load", lambda: pytest.fail("not needed"))
    tensors, options = case()
    double = {key: value.astype("float64") for key, value in tensors.items()}
    assert native.deform_conv2d(**double, **options).dtype == paddle.float64
    monkeypatch.setattr(paddle, "get_device", lambda: "gpu:0")
    assert native.deform_conv2d(**tensors, **options).shape == [1, 8, 11, 13]


# The cache


def fake_compiler(folder):
    """Make a compiler that writes its -o file and notes how it was called."""
    script = folder / "fake"
    script.write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/calls\n'
        'while [ $# -gt 0 ]; do [ "$1" = -o ] && echo made > "$2"; shift; done\nexit 0\n'
    )
    script.chmod(0o755)
    return script


def links(folder):
    return (folder / "calls").read_text().count("-shared")


@pytest.fixture
def sources(tmp_path, monkeypatch):
    monkeypatch.setenv("PPVSR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CXX", str(fake_compiler(tmp_path)))
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "a.cc").write_text("int a;")
    (folder / "a.h").write_text("// a")
    return folder


def test_a_library_is_compiled_once(sources, tmp_path):
    first = build.library(sources)
    assert first == build.library(sources) and first.read_text() == "made\n"
    assert links(tmp_path) == 1
    assert sorted(path.name for path in first.parent.iterdir()) == ["compile.log", "library.so"]


def test_one_can_ask_without_compiling(sources, tmp_path):
    compiler, path = build.built(sources)
    assert compiler == [str(tmp_path / "fake")] and path is None and not (tmp_path / "cache").exists()
    assert build.built(sources)[1] is None
    made = build.library(sources)
    assert build.built(sources) == (compiler, made)


def test_asking_fails_where_compiling_would(sources, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(build.BuildError, match=r"no C\+\+ compiler .no-such-compiler. was found"):
        build.built(sources)
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(build.BuildError, match="on Linux only, not on darwin"):
        build.built(sources)


def test_a_user_without_a_home_is_told_what_to_do(lost, monkeypatch):
    def nobody():
        raise RuntimeError("Could not determine home directory.")

    for name in ("PPVSR_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pathlib.Path.home", nobody)
    assert "no home folder; name a folder by $PPVSR_CACHE" in lost()


def test_of_two_at_once_one_waits(sources, tmp_path):
    home = build.cache() / build._key(sources, build._compiler())
    home.parent.mkdir(parents=True)
    with open(f"{home}.lock", "ab") as lock, ThreadPoolExecutor(4) as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = [pool.submit(build.library, sources) for _ in range(4)]
        assert not any(each.done() for each in waiting) and not home.exists()
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert {each.result(timeout=30) for each in waiting} == {home / "library.so"}
    assert links(tmp_path) == 1


def test_what_a_killed_process_left_does_not_matter(sources):
    home = build.cache() / build._key(sources, build._compiler())
    for folder in (home, Path(f"{home}.part")):
        folder.mkdir(parents=True)
        (folder / "a.o").write_text("half")
    assert build.library(sources) == home / "library.so"
    assert not Path(f"{home}.part").exists()


@pytest.mark.parametrize("changed", ["a.cc", "a.h", "processor", "paddle", "compiler"])
def test_whatever_matters_makes_another_library(sources, monkeypatch, changed):
    first = build.library(sources)
    if changed in ("a.cc", "a.h"):
        (sources / changed).write_text("int b;")
    elif changed == "processor":
        monkeypatch.setattr(build, "_processor", lambda: "flags: none")
    elif changed == "paddle":
        monkeypatch.setattr(paddle, "__version__", "9.9")
    else:
        monkeypatch.setenv("CXX", f"{os.environ['CXX']} -v")
    assert build.library(sources) != first


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"PPVSR_CACHE": "/a"}, "/a/native"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/ppvsr/native"),
        ({"HOME": "/c"}, "/c/.cache/ppvsr/native"),
    ],
)
def test_place_of_the_cache(monkeypatch, environment, expected):
    for key in ("PPVSR_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(key, raising=False)
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    assert build.cache() == Path(expected)
