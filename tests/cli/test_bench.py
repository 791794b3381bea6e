"""The command as people type it, with workers that need no network."""

import json
import sys

import pytest

from ppvsr import bench
from ppvsr.bench import Case, heading, line
from ppvsr.cli.machine import bench_main

FAKE = """
import json, sys
case = json.loads(sys.argv[1])
def tell(**message): print(json.dumps(message), flush=True)
print("a library's chatter")
tell(say="compiling")
if case["variant"] == "IconVSR":
    tell(error="no such luck")
if case["variant"] == "BasicVSR":
    sys.exit(3)
tell(used=case["backend"].replace("auto", "compiled"), weights="bi", plan="", ready=1.0)
for word in sys.stdin:
    if word.strip() != "run":
        break
    seconds = 8.0 if case["backend"] == "dygraph" else 2.0
    tell(seconds=seconds, cpu_seconds=2 * seconds)
tell(peak=2**28)
"""


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    monkeypatch.setattr(bench, "command", lambda module, *words: [sys.executable, "-c", FAKE, *words])


def test_backends_take_turns_and_ratios_are_to_dygraph(tmp_path, capsys):
    file = tmp_path / "speed.json"
    options = ["--size", "64x64", "96x64", "--backend", "auto", "dygraph", "--threads", "1", "2", "--frames", "4"]
    assert bench_main([*options, "--json", str(file)]) == 0
    out = capsys.readouterr().out
    result = json.loads(file.read_text())
    assert result["python"] and result["ppvsr"] and result["processor"]
    assert len(result["rows"]) == 8
    (row, *_) = result["rows"]
    assert (row["width"], row["used"], row["ratio"], row["fps"], row["cpu_ratio"]) == (64, "compiled", 4.0, 2.0, 4.0)
    assert len(row["rounds"]) == 2
    assert heading() in out and line(row) in out and "auto: compiled" in out and "256 MB" in out
    assert "PPMSVSR 64x64 auto: compiling" in out


def test_without_dygraph_there_is_no_ratio(capsys):
    assert bench_main(["--backend", "compiled", "--size", "64x64", "--repeat", "1"]) == 0
    out = capsys.readouterr().out
    row = next(text for text in out.splitlines() if text.startswith("PPMSVSR "))
    assert row.split()[-4:-2] == ["-", "-"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--variant", "IconVSR"], 1, "IconVSR 160x90 compiled: no such luck"),
        (["--variant", "BasicVSR"], 1, "the process ended with 3; ppvsr-doctor may know why"),
        (["--variant", "PPMSVSX"], 2, "did you mean PPMSVSR"),
        (["--size", "90"], 2, "'90' is not a size; write it like 160x90"),
        (["--size", "0x90"], 2, "'0x90' is not a size"),
        (["--frames", "0"], 2, "'0' is not a whole number of 1 or more"),
        (["--backend", "cuda"], 2, "invalid choice: 'cuda'"),
        (["--json", "/no/such/folder/f.json"], 2, "there is no such folder"),
    ],
)
def test_what_cannot_be_is_one_line(arguments, code, message, capsys):
    assert bench_main(arguments) == code
    err = capsys.readouterr().err.splitlines()
    assert err[-1].startswith("ppvsr-bench: ") and message in err[-1]


def test_a_worker_is_a_case():
    case = Case("PPMSVSR", 64, 48, 4, "auto", 1)
    with bench.Worker(case, lambda text: None) as worker:
        assert worker.hear()["used"] == "compiled"
        assert worker.ask("run") == {"seconds": 2.0, "cpu_seconds": 4.0}
        assert worker.ask("end") == {"peak": 2**28}
