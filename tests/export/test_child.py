import pytest

from ppvsr.errors import PpvsrError
from ppvsr.system.process import last_words, run_child

ABORT = """I1122 a line of a log
\x1b[0;31m[ERROR][Paddle2ONNX] Due to the unsupported operators, the conversion is aborted.\x1b[0m

--------------------------------------
C++ Traceback (most recent call last):
--------------------------------------
0   paddle2onnx::Export(char const*)
FatalError: `Process abort signal` is detected by the operating system.
  [TimeInfo: *** Aborted at 1795379306 ***]
"""


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (ABORT, "[ERROR][Paddle2ONNX] Due to the unsupported operators, the conversion is aborted."),
        ("Traceback (most recent call last):\n  File x\nValueError: no 5\n", "ValueError: no 5"),
        (
            "ppvsr.errors.PpvsrError: x: ONNX Runtime cannot load it\n",
            "ppvsr.errors.PpvsrError: x: ONNX Runtime cannot load it",
        ),
        ("first\nlast\n", "last"),
        ("", "no message"),
    ],
)
def test_the_line_that_says_why_is_found(output, words):
    assert last_words(output) == words


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise ValueError('no operator')", "proof: ValueError: no operator; nothing was written"),
        ("import os; print('step 3', flush=True); os.abort()", "proof: the process ended by SIGABRT: step 3; nothing"),
    ],
)
def test_a_child_that_fails_or_crashes_is_one_line(code, message, tmp_path, monkeypatch):
    (tmp_path / "failing.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PpvsrError, match=message):
        run_child("failing", tmp_path, "proof")
