"""Files that try to run something. Each would create the file `mark` if anything of it were executed."""

import io
import os
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from ppvsr.errors import WeightsError
from ppvsr.weights import files
from ppvsr.weights.files import read
from ppvsr.weights.pickles import MAGIC

from .conftest import DATA


class Call:
    def __init__(self, function, *arguments, state=None):
        self.reduced = (function, arguments, state)

    def __reduce__(self):
        return self.reduced


class Global:
    """A name, written as GLOBAL by the class below, whether or not it exists here."""

    def __init__(self, module, name):
        self.spelt = f"c{module}\n{name}\n".encode()


class Pickler(pickle._Pickler):
    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Global):
            self.write(obj.spelt)
        elif isinstance(obj, Call):
            function, arguments, state = obj.reduced
            self.save(function)
            self.save(arguments)
            self.write(pickle.REDUCE)
            if state is not None:
                self.save(state)
                self.write(pickle.BUILD)
        else:
            super().save(obj, save_persistent_id)

    def persistent_id(self, obj):
        return obj.pid if isinstance(obj, Persistent) else None


class Persistent:
    def __init__(self, *pid):
        self.pid = pid


def dumps(tree):
    buffer = io.BytesIO()
    Pickler(buffer, 2).dump(tree)
    return buffer.getvalue()


def as_pdparams(tree):
    return dumps(tree)


def as_zip(tree, **entries):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", dumps(tree))
        for name, data in entries.items():
            archive.writestr(f"archive/{name.replace('__', '/')}", data)
    return buffer.getvalue()


def as_legacy(tree, storages=b"", keys=(), little_endian=True):
    head = [pickle.dumps(x, 2) for x in (MAGIC, 1001, {"little_endian": little_endian})]
    return b"".join([*head, dumps(tree), pickle.dumps(list(keys), 2), storages])


CONTAINERS = [as_pdparams, as_zip, as_legacy]


@pytest.fixture
def refuses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def check(data, message):
        path = tmp_path / "weights"
        path.write_bytes(data)
        with pytest.raises(WeightsError, match=message) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
        assert not (tmp_path / "mark").exists()

    return check


@pytest.mark.parametrize("wrap", CONTAINERS)
@pytest.mark.parametrize("module, name, argument", [
    ("os", "system", "touch mark"),
    ("posix", "system", "touch mark"),
    ("subprocess", "getoutput", "touch mark"),
    ("builtins", "eval", "open('mark', 'w')"),
    ("builtins", "exec", "open('mark', 'w')"),
    ("__builtin__", "eval", "open('mark', 'w')"),
    ("builtins", "getattr", "x"),
    ("numpy", "load", "mark"),
    ("numpy.testing._private.utils", "runstring", "open('mark', 'w')"),
    ("torch.serialization", "load", "mark"),
])  # fmt: skip
def test_callables_that_no_weights_need(refuses, wrap, module, name, argument):
    tree = {"conv.weight": np.zeros(3), "generator": {"x": Call(Global(module, name), argument)}}
    message = rf"refused, it wants to call `{module}\.{name}`, which no weights need; nothing was executed"
    refuses(wrap(tree), message)


def test_the_hostile_pickles_do_work_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickle.loads(dumps({"x": Call(Global("os", "system"), "touch mark")}))
    assert (tmp_path / "mark").exists()


def test_dotted_names_and_other_opcodes(refuses):
    refuses(pickle.dumps({"x": Call(os.system, "touch mark")}, 4), r"`posix\.system`|`nt\.system`")
    refuses(b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93.", r"`numpy\.ndarray\.__class__`")
    refuses(b"\x80\x02(S'touch mark'\nios\nsystem\n.", r"`os\.system`")
    refuses(b"\x80\x02(cos\nsystem\nS'touch mark'\no.", r"`os\.system`")


RECONSTRUCT = Global("numpy.core.multiarray", "_reconstruct")
NDARRAY, DTYPE = Global("numpy", "ndarray"), Global("numpy", "dtype")
ORDERED, ENCODE = Global("collections", "OrderedDict"), Global("_codecs", "encode")
EMPTY = (NDARRAY, (0,), b"b")
F4 = Call(DTYPE, "f4", False, True, state=(3, "<", None, None, None, -1, -1, 0))


@pytest.mark.parametrize("wrap", CONTAINERS)
@pytest.mark.parametrize("value", [
    Call(RECONSTRUCT, *EMPTY, state=(1, (10**12,), F4, False, "abcd")),  # claims 4 TB
    Call(RECONSTRUCT, *EMPTY, state=(1, (2,), Call(DTYPE, "O", False, True), False, [1, 2])),
    Call(RECONSTRUCT, *EMPTY, state=(1, (1,), Call(DTYPE, "V9", False, True), False, "abcdefghi")),
    Call(RECONSTRUCT, *EMPTY, state={"value": 1}),
    Call(DTYPE, {"names": 3}, state=None),
    Call(NDARRAY, 10**12),  # an argument, never called
    Call(ORDERED, 3),
    Call(ENCODE, "ä€", "latin1"),
    Call(Global("builtins", "tuple"), 3),
    Call(RECONSTRUCT, *EMPTY, state=(None, {"__class__": NDARRAY})),
], ids=range(10))  # fmt: skip
def test_bad_arguments_for_what_is_allowed(refuses, wrap, value):
    refuses(wrap({"a": value}), "damaged or cut short|no parameters in it")


@pytest.mark.parametrize("name", [RECONSTRUCT, DTYPE, ORDERED, ENCODE, Global("builtins", "tuple"), NDARRAY])
def test_stand_ins_cannot_be_changed(refuses, dump, arrays, name):
    class Changed(Global):
        spelt = name.spelt + dumps((None, {"__setstate__": 1, "__new__": 2, "__init__": 3}))[2:-1] + pickle.BUILD

        def __init__(self):
            pass

    refuses(as_pdparams({"a": Changed()}), "damaged or cut short")
    assert set(read(dump(arrays))) == set(arrays)


REBUILD, FLOATS = Global("torch._utils", "_rebuild_tensor_v2"), Global("torch", "FloatStorage")


def tensor(storage, offset=0, size=(2,), stride=(1,)):
    return Call(REBUILD, storage, offset, size, stride, False, Call(ORDERED))


@pytest.mark.parametrize("place, message", [
    ({"size": (3,)}, "a tensor reaches outside its storage"),
    ({"offset": 1}, "a tensor reaches outside its storage"),
    ({"offset": -1}, "a tensor reaches outside its storage"),
    ({"size": (2,), "stride": (-1,)}, "a tensor reaches outside its storage"),
    ({"size": (-2,)}, "a tensor reaches outside its storage"),
    ({"size": (10**9, 10**9), "stride": (0, 0)}, "a tensor larger than its storage"),
    ({"size": (2,), "stride": (1, 1)}, "damaged"),
    ({"size": ("2",)}, "damaged"),
])  # fmt: skip
def test_tensors_outside_their_storage(refuses, place, message):
    pid = ("storage", FLOATS, "0", "cpu", 2)
    data = struct.pack("<2f", 1, 2)
    refuses(as_zip({"a": tensor(Persistent(*pid), **place)}, data__0=data), message)
    refuses(as_legacy({"a": tensor(Persistent(*pid, None), **place)}, struct.pack("<q", 2) + data, ["0"]), message)


def test_storages_shorter_than_claimed(refuses):
    data = struct.pack("<2f", 1, 2)
    pid = ("storage", FLOATS, "0", "cpu", 2**40)
    tree = {"a": tensor(Persistent(*pid))}
    refuses(as_zip(tree), r"damaged .*archive/data/0")
    refuses(as_zip(tree, data__0=data), "a storage of 4398046511104 bytes has only 8")
    tree = {"a": tensor(Persistent(*pid, None))}
    refuses(as_legacy(tree, struct.pack("<q", 2**40) + data, ["0"]), "a storage of 4398046511104 bytes has only 8")
    refuses(as_legacy(tree, struct.pack("<q", 2) + data, ["0"]), "a storage of 2 numbers, announced with")
    refuses(as_legacy(tree, b"", []), "a tensor without its storage")


def test_many_tensors_of_one_small_storage(refuses, monkeypatch):
    monkeypatch.setattr(files, "LIMIT", 50_000)
    storage = Persistent("storage", FLOATS, "0", "cpu", 1000)
    tree = {f"a{i}": tensor(storage, size=(1000,)) for i in range(20)}
    refuses(as_zip(tree, data__0=bytes(4000)), "refused, 80,000 bytes are more than weights take")


def test_big_endian_files(refuses):
    refuses(as_zip({}, byteorder=b"big"), "written on a big-endian machine")
    refuses(as_legacy({}, little_endian=False), "written on a big-endian machine")


def test_storages_inside_storages(refuses):
    storage = Persistent("storage", FLOATS, "0", "cpu", 2, ("1", 0, 1))
    refuses(as_legacy({"a": tensor(storage)}), "storages inside storages")


def test_references_outside_a_plain_pickle(refuses):
    refuses(as_pdparams({"a": Persistent("storage", FLOATS, "0", "cpu", 2)}), "`torch.FloatStorage`|outside itself")


@pytest.mark.parametrize("data, message", [
    (b"\x80\x02}r\xff\xff\xff\x7f.", "a table of 2147483647 objects in 9 bytes"),
    (b"\x80\x02}p2147483647\n.", "a table of 2147483647 objects in 16 bytes"),
    (b"\x80\x04\x8e\x00\x00\x00\x00\x08\x00\x00\x00abc.", "expected 34359738368 bytes .* but only 4 remain"),
    (b"\x80\x05\x96\x00\x00\x00\x00\x08\x00\x00\x00abc.", "expected 34359738368 bytes .* but only 4 remain"),
])  # fmt: skip
def test_claims_of_tens_of_gigabytes(refuses, data, message):
    refuses(data, message)


def test_trees_that_contain_themselves(refuses):
    tree = {}
    tree["generator"] = tree
    refuses(pickle.dumps(tree), "damaged or cut short")


def test_objects_in_npz(refuses):
    buffer = io.BytesIO()
    np.savez(buffer, a=np.array([Call(os.system, "touch mark")], object))
    refuses(buffer.getvalue(), "Object arrays cannot be loaded")


def test_single_wrong_bytes_never_escape(tmp_path):
    """Whatever one byte is: the file is read, or refused by a WeightsError."""
    rng = np.random.default_rng(0)
    for name in ("zip.pth", "legacy.pth"):
        data = bytearray((DATA / "torch" / name).read_bytes())
        for place in rng.choice(len(data), 80, replace=False):
            changed = data.copy()
            changed[place] ^= int(rng.integers(1, 256))
            (tmp_path / "a").write_bytes(changed)
            try:
                read(tmp_path / "a")
            except WeightsError:
                continue


def test_a_text_that_is_named_a_thousand_times_is_held_once(tmp_path):
    """300 kB, encoded 2000 times, would be 600 MB."""
    text = b"X" + struct.pack("<I", 300_000) + b"a" * 300_000 + b"q\x01"
    named = b"c_codecs\nencode\nh\x01X" + struct.pack("<I", 6) + b"latin1\x86R"
    path = tmp_path / "bomb.pdparams"
    path.write_bytes(b"\x80\x02" + text + b"0](" + named * 2000 + b"e.")
    tracemalloc.start()
    with pytest.raises(WeightsError, match="not parameters by name"):
        read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000
