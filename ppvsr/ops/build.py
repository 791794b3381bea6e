"""C++ sources → a shared library, compiled once per machine and kept in the cache."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

import paddle

CACHE = "PPVSR_CACHE"  # environment variable, as for weights
COMPILERS = ("g++", "c++", "clang++")
HINT = "install g++ 9 or newer (Debian and Ubuntu: apt install g++)"
LIBRARY = "library.so"
LOG = "compile.log"
FLAGS = ("-std=c++17", "-O3", "-fPIC", "-w", "-D_GLIBCXX_USE_CXX11_ABI=1")
# Everything here keeps the meaning of IEEE arithmetic, but that a * b + c may be rounded once instead of twice.
KERNEL_FLAGS = ("-march=native", "-fopenmp", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast")
PADDLE_FLAGS = (
    "-DPADDLE_NO_PYTHON",
    "-DPADDLE_WITH_CUSTOM_KERNEL",
)  # the first saves Python's headers and half the time


class BuildError(Exception):
    """Why there is no library, in one line, and what helps."""


def library(folder: Path) -> Path:
    """Return the library made of all .cc files in `folder`; compile it if this machine has not done so yet.

    Kept in $PPVSR_CACHE/native, else $XDG_CACHE_HOME/ppvsr/native, else ~/.cache/ppvsr/native, under a name that tells
    sources, flags, compiler, Paddle, Python and processor apart. Of several processes one compiles, the others wait.
    Raises BuildError when it cannot be had.
    """
    if sys.platform != "linux":
        raise BuildError(f"it is built on Linux only, not on {sys.platform}")
    compiler = _compiler()
    home = cache() / _key(folder, compiler)
    if (home / LIBRARY).is_file():
        with contextlib.suppress(OSError):
            os.utime(home / LIBRARY)  # `ppvsr-doctor --clean` removes what nobody uses
        return home / LIBRARY
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        with _alone(home) as unfinished:
            if not (home / LIBRARY).is_file():  # another process may have been faster
                _compile(folder, compiler, unfinished, home)
    except OSError as error:
        raise BuildError(f"{cache()}: cannot keep it here: {error}; name another folder by ${CACHE}") from error
    return home / LIBRARY


def built(folder: Path) -> tuple[list[str], Path | None]:
    """Return the compiler's command, and the library made of `folder` if this machine has compiled it already.

    Raises BuildError where it cannot be had at all.
    """
    if sys.platform != "linux":
        raise BuildError(f"it is built on Linux only, not on {sys.platform}")
    compiler = _compiler()
    path = cache() / _key(folder, compiler) / LIBRARY
    return compiler, path if path.is_file() else None


def cache() -> Path:
    """Return the folder of all compiled libraries. Raises BuildError where nobody knows the home folder."""
    try:
        if given := os.environ.get(CACHE):
            return Path(given).expanduser().absolute() / "native"
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser()
    except RuntimeError as error:  # a user without a name, in a container
        raise BuildError(f"this user has no home folder; name a folder by ${CACHE}") from error
    return home.absolute() / "ppvsr/native"


def _compiler() -> list[str]:
    """Return the command of a C++ compiler: $CXX, or the first that is installed."""
    names = [given] if (given := os.environ.get("CXX")) else COMPILERS
    for name in names:
        command = shlex.split(name)
        if command and shutil.which(command[0]):
            return command
    wanted = f"no C++ compiler ({', '.join(names)}) was found"
    raise BuildError(f"{wanted}; " + ("correct $CXX" if os.environ.get("CXX") else HINT))


def _key(folder: Path, compiler: Sequence[str]) -> str:
    facts = [
        *(f"{path.name}\n{path.read_text(encoding='utf-8')}" for path in _files(folder, "*")),
        *FLAGS,
        *KERNEL_FLAGS,
        *PADDLE_FLAGS,
        *compiler,
        _run([*compiler, "--version"]).stdout,
        paddle.__version__,
        paddle.version.commit,
        str(sysconfig.get_config_var("SOABI")),
        platform.machine(),
        _processor(),
    ]
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:20]


def _processor() -> str:
    """Return what this processor can do: code for one that can more would end in an illegal instruction."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if path.suffix in (".cc", ".h"))


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[Path]:
    """Wait until no other process compiles `home`, then give an empty folder to compile in; it does not outlive this.

    Where locks do not work (some network folders) the folder is this process's own.
    """
    with open(f"{home}.lock", "ab") as lock:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
            unfinished = Path(f"{home}.part")
        except OSError:
            unfinished = Path(f"{home}.{os.getpid()}.part")
        shutil.rmtree(unfinished, ignore_errors=True)  # of a process that was killed
        unfinished.mkdir()
        try:
            yield unfinished
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _compile(folder: Path, compiler: Sequence[str], unfinished: Path, home: Path) -> None:
    """Compile in `unfinished` and give it the name `home`; a failure leaves a log there instead."""
    sources = _files(folder, "*.cc")
    commands = [[*compiler, *_flags(path), "-c", str(path), "-o", f"{path.stem}.o"] for path in sources]
    running = [_start(command, unfinished) for command in commands]
    results = [(command, *_end(process)) for command, process in zip(commands, running, strict=True)]
    if not any(code for _, code, _ in results):
        link = [*compiler, "-shared", *(f"{path.stem}.o" for path in sources), *_libraries(), "-o", LIBRARY]
        results.append((link, *_end(_start(link, unfinished))))
    log = "\n".join(f"$ {shlex.join(command)}\n{output}" for command, _, output in results)
    (unfinished / LOG).write_text(log, encoding="utf-8")
    for path in unfinished.glob("*.o"):
        path.unlink()
    if failed := next((command for command, code, _ in results if code), None):
        kept = Path(f"{home}.log")
        (unfinished / LOG).replace(kept)
        raise BuildError(f"{failed[0]} failed, see {kept}; {HINT}")
    shutil.rmtree(home, ignore_errors=True)  # incomplete: somebody removed the library
    try:
        unfinished.rename(home)
    except OSError:
        if not (home / LIBRARY).is_file():  # unless another process, where locks do not work, was faster
            raise


def _flags(source: Path) -> list[str]:
    """Only the operators see Paddle's headers, only the others are made for this processor."""
    if not source.stem.endswith("_operator"):
        return [*FLAGS, *KERNEL_FLAGS]
    include = paddle.sysconfig.get_include()
    return [*FLAGS, *PADDLE_FLAGS, f"-I{include}", f"-I{include}/third_party"]


def _libraries() -> list[str]:
    """Link Paddle itself and the threads that Paddle uses: threads of two runtimes would fight for the cores."""
    base, libs = Path(paddle.__file__).parent / "base", Path(paddle.sysconfig.get_lib())
    intel = (libs / "libiomp5.so").is_file()
    return [f"-L{base}", "-l:libpaddle.so", *([f"-L{libs}", "-l:libiomp5.so"] if intel else ["-fopenmp"])]


def _start(command: Sequence[str], folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _end(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate()
    return process.returncode, output


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)
