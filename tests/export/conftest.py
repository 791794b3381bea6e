"""Exports without processes of their own, which take seconds to start; both formats begin with the same program."""

import importlib
import shutil

import pytest

from ppvsr.export import write


@pytest.fixture(scope="package")
def programs(tmp_path_factory):
    return tmp_path_factory.mktemp("programs")


@pytest.fixture
def in_process(monkeypatch, programs):
    trace = write.trace_clip

    def trace_once(net, shape, path):
        kept = programs / f"{path.name}-{shape.sizes()}-{net.training}"
        if not kept.is_dir():
            trace(net, shape, path)
            kept.mkdir()
            for ending in (".json", ".pdiparams"):
                shutil.copy(f"{path}{ending}", kept / f"program{ending}")
        for ending in (".json", ".pdiparams"):
            shutil.copy(kept / f"program{ending}", f"{path}{ending}")

    monkeypatch.setattr(write, "run_child", lambda module, folder, _: importlib.import_module(module).main(folder))
    monkeypatch.setattr(write, "trace_clip", trace_once)
