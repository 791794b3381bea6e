"""What makes networks fast: ppvsr's own operators and compiled programs. Needs Paddle."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from typing import Any

from ppvsr.assemble.doctor_finding import OK, WARNING, Finding

VARIANT = "PPMSVSR"  # whose bundled weights are compiled ahead
SLOWER = "Paddle's own operators do the work, several times slower on the CPU"


def backends() -> Iterator[Finding]:
    """Say whether the operators and the bundled network's programs were built, and where not, why."""
    from ppvsr.framework import use_device

    device = use_device()
    if device != "cpu":
        yield Finding("backend", OK, f"networks run by dygraph on {device}; compiled programs are for CPUs")
        return
    from ppvsr.ops.native import SOURCES
    from ppvsr.ops.native_cache import BuildError, built

    try:
        compiler, library = built(SOURCES)
    except BuildError as error:
        yield Finding("compiler", WARNING, str(error), SLOWER)
        return
    yield Finding("compiler", OK, f"{' '.join(compiler)}: {_version(compiler)}")
    if library is None:
        yield Finding("own operators", OK, "not built yet: they are at first use, in 10 to 30 s", "--build does it now")
        return
    from ppvsr.ops import native

    if reason := native.load():
        yield Finding("own operators", WARNING, reason)
    else:
        yield Finding("own operators", OK, f"built, {library}")
    yield _programs(native=not reason)


def build(say: Callable[[str], Any]) -> Iterator[Finding]:
    """Compile the operators and the programs of the bundled network now; `say` hears how it goes on."""
    from ppvsr.framework import use_device
    from ppvsr.ops import native
    from ppvsr.runtime.backend import use_backend

    if (device := use_device()) != "cpu":
        yield Finding("building", OK, f"nothing to build for {device}")
        return
    say("own operators: compiled now, 10 to 30 s, or found in the cache")
    if reason := native.load():
        yield Finding("own operators", WARNING, reason)
    else:
        yield Finding("own operators", OK, "built and loaded")
    net, options = _bundled()
    said: list[str] = []

    def hear(line: str) -> None:
        said.append(line)
        say(f"network: {line}")

    if use_backend(net, options, "auto", say=hear) == "compiled":
        yield Finding("compiled network", OK, f"{VARIANT} is ready to run, {'made now' if said else 'as before'}")
    else:
        yield Finding("compiled network", WARNING, said[-1])


def _programs(*, native: bool) -> Finding:
    from ppvsr.runtime.programs import whereabouts
    from ppvsr.runtime.verdict import read_verdict

    net, options = _bundled()
    folder = whereabouts(net, options, native=native)
    verdict = read_verdict(folder)
    if verdict is None:
        text = f"{VARIANT} is not compiled yet: it is at first use, in 15 to 60 s"
        return Finding("compiled network", OK, text, "--build does it now")
    if "reason" in verdict:
        advice = f"remove {folder} to try again; --backend dygraph runs, about five times slower"
        return Finding("compiled network", WARNING, str(verdict["reason"]), advice)
    text = f"{VARIANT}: {len(verdict['programs'])} programs, largest difference {verdict.get('difference', 0.0):.1e}"
    return Finding("compiled network", OK, text)


def _bundled() -> tuple[Any, Any]:
    """Return the network that `VARIANT` runs by default, with its weights, and its options."""
    from ppvsr.assemble.network import load_network
    from ppvsr.weights.zoo import find_variant

    variant = find_variant(VARIANT)
    return load_network(variant, variant.pick()), variant.options


def _version(compiler: list[str]) -> str:
    done = subprocess.run([*compiler, "--version"], capture_output=True, text=True, check=False)
    return (done.stdout.strip() or done.stderr.strip() or "says no version").splitlines()[0]
