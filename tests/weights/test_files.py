import pickle
import sys
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
from safetensors.numpy import save_file

from ppvsr.errors import WeightsError
from ppvsr.weights import files
from ppvsr.weights.files import read

from .conftest import DATA


def same(got, wanted):
    assert set(got) == set(wanted)
    for name in wanted:
        np.testing.assert_array_equal(got[name], wanted[name], strict=True)


@pytest.mark.parametrize("ending", [".npz", ".safetensors", ".pth", ""])
def test_plain_files_whatever_their_ending(arrays, tmp_path, ending):
    np.savez(tmp_path / "a.npz", **arrays)
    save_file(arrays, tmp_path / "a.safetensors")
    for path in list(tmp_path.iterdir()):
        same(read(path.rename(tmp_path / f"{path.stem}{ending}")), arrays)


def test_safetensors_in_bfloat16(tmp_path):
    header = b'{"a":{"dtype":"BF16","shape":[1,2],"data_offsets":[0,4]}}'
    (tmp_path / "a").write_bytes(len(header).to_bytes(8, "little") + header + b"\xc0\x3f\x20\xc0")
    same(read(tmp_path / "a"), {"a": np.float32([[1.5, -2.5]])})


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("wrap", [
    lambda a: a,
    lambda a: {"generator": a},
    lambda a: {"generator": {k: (f"conv_{i}.w_0", v) for i, (k, v) in enumerate(a.items())}},
    lambda a: {**a, "StructuredToParameterName@@": {k: "conv_0.w_0" for k in a}},
    lambda a: {"epoch": 3, "optim": {"m": np.zeros(2), "LR_Scheduler": {"last_lr": np.float64(1)}}, "generator": a},
    lambda a: OrderedDict(a),
])  # fmt: skip
def test_pdparams_in_all_their_shapes(arrays, dump, wrap, protocol):
    same(read(dump(wrap(arrays), protocol=protocol)), arrays)


def test_column_major_and_big_endian_arrays(dump):
    array = np.arange(6.0, dtype=">f4").reshape(2, 3).T
    np.testing.assert_array_equal(read(dump({"a": np.asfortranarray(array)}))["a"], array)


@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
@pytest.mark.parametrize("protocol", [2, 5])
def test_arrays_of_both_numpy_lines(arrays, dump, core, protocol):
    path = dump(arrays, protocol=protocol)
    data = path.read_bytes()
    assert b"numpy._core" in data or b"numpy.core" in data
    if protocol == 5:  # names carry their length there
        short, long = b"\x8c\x12numpy.core.numeric", b"\x8c\x13numpy._core.numeric"
        data = data.replace(long, short) if core == b"numpy.core" else data.replace(short, long)
        frame = int.from_bytes(data[3:11], "little") + len(data) - path.stat().st_size
        data = data[:3] + frame.to_bytes(8, "little") + data[11:]
    else:
        data = data.replace(b"numpy._core", b"numpy.core").replace(b"numpy.core", core)
    path.write_bytes(data)
    same(read(path), arrays)


def test_files_of_python_2(tmp_path):
    state = b"(I1\n(I1\ntcnumpy\ndtype\n(S'f4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nU\x04\x00\x00\xc0?tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR" + state
    (tmp_path / "a").write_bytes(b"\x80\x02}S'conv.bias'\n" + array + b"s.")
    same(read(tmp_path / "a"), {"conv.bias": np.float32([1.5])})


@pytest.mark.parametrize("paddle_tree", [False, True])
def test_files_of_paddle_save(tmp_path, paddle_tree):
    paddle = pytest.importorskip("paddle")
    layer = paddle.nn.Linear(2, 3)
    state = {"generator": layer.state_dict(), "epoch": 1} if paddle_tree else layer.state_dict()
    paddle.save(state, str(tmp_path / "a.pdparams"))
    same(read(tmp_path / "a.pdparams"), {"weight": layer.weight.numpy(), "bias": layer.bias.numpy()})


@pytest.mark.parametrize("layout", ["zip", "legacy"])
def test_files_of_torch(layout):
    wide = np.arange(24, dtype=np.float32).reshape(4, 6)
    pair = [1.5, -2.5]
    same(read(DATA / "torch" / f"{layout}.pth"), {
        "conv.weight": np.arange(54, dtype=np.float32).reshape(3, 2, 3, 3) / 8,
        "conv.bias": np.arange(3, dtype=np.float32) / 8,
        "transposed": np.ascontiguousarray(wide.T),
        "slice": np.ascontiguousarray(wide[1:3, 2:5]),
        "double": np.float64(pair), "half": np.float16(pair), "bfloat16": np.float32(pair),
        "long": np.int64([[1, -2]]), "scalar": np.array(7, np.float32), "parameter": np.float32([3]),
        "empty": np.zeros((0, 3), np.float32),
    })  # fmt: skip


def test_torch_averaged_weights_come_first():
    same(read(DATA / "torch/ema.pth"), {"weight": np.arange(54, dtype=np.float32).reshape(3, 2, 3, 3) / 4})
    assert "torch" not in sys.modules


@pytest.mark.parametrize("prefix", ["generator.", "module.", "module.generator.", "generator.module."])
def test_prefixes_are_taken_off(arrays, dump, prefix):
    tree = {"state_dict": {f"{prefix}{name}": array for name, array in arrays.items()}}
    same(read(dump({**tree, "meta": {"epoch": 1}})), arrays)
    tree["state_dict"]["step_counter"] = np.zeros(1)
    same(read(dump(tree)), arrays)


@pytest.mark.parametrize("content, message", [
    (b"<!DOCTYPE html><html>", "not a weight file: it is a web page"),
    (b"version https://git-lfs.github.com/spec/v1", "run `git lfs pull`"),
    (b"\x1f\x8b\x08", "it is compressed"),
    (b"hello", r"neither \.safetensors, \.npz, \.pdparams nor \.pth"),
    (b"", r"neither \.safetensors"),
    (pickle.dumps([1]), "holds a list, not parameters by name"),
    (pickle.dumps({"epoch": 1, "lr": 2.0}), "no parameters in it, only epoch, lr"),
    (pickle.dumps({}), "no parameters in it, only nothing"),
    (pickle.dumps({"a": np.array(["x"])}), "an array of <U1, not of numbers"),
])  # fmt: skip
def test_files_that_are_no_weights(tmp_path, content, message):
    path = tmp_path / "weights.pdparams"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(WeightsError, match=r"none\.npz: no such file"):
        read(tmp_path / "none.npz")
    with pytest.raises(WeightsError, match="cannot be read: Is a directory"):
        read(tmp_path)


@pytest.mark.parametrize("kind", ["npz", "safetensors", "pdparams", "zip.pth", "legacy.pth"])
def test_cut_files(arrays, dump, tmp_path, kind):
    path = tmp_path / f"whole.{kind}"
    if kind == "npz":
        np.savez(path, **arrays)
    elif kind == "safetensors":
        save_file(arrays, path)
    else:
        path.write_bytes(dump(arrays).read_bytes() if kind == "pdparams" else (DATA / "torch" / kind).read_bytes())
    data = path.read_bytes()
    for share in (0.1, 0.5, 0.9, 0.99):
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(WeightsError, match=r"damaged or cut short .*; get the file again") as caught:
            read(path)
        assert "\n" not in str(caught.value)


def test_zip_of_something_else(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("weights.safetensors", b"")
    with pytest.raises(WeightsError, match=r"neither arrays of numpy nor a `data\.pkl` of PyTorch; unpack it first"):
        read(tmp_path / "a.npz")


def test_too_much(arrays, dump, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LIMIT", 20_000)
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros(10_000, np.float32))
    large = dump({"a": np.zeros(10_000, np.float32)})
    assert (tmp_path / "bomb.npz").stat().st_size < 20_000 < large.stat().st_size
    for path in (tmp_path / "bomb.npz", large):
        with pytest.raises(WeightsError, match=r"refused, 40,\d+ bytes are more than weights take \(20,000\)"):
            read(path)
