"""A film in by HTTP, a larger film out: `python deploy/serve.py --help`. Runs from any folder, without installing."""

from __future__ import annotations

import argparse
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from deploy.service.limits import Limits
from ppvsr import __version__
from ppvsr.cli.common import Parser, memory, natural, positive, run_command
from ppvsr.errors import PpvsrError, UsageError

NAME = "ppvsr-serve"
EXAMPLES = """
examples:
  deploy/serve.py --variant PPMSVSR
  deploy/serve.py --host 0.0.0.0 --token-file token.txt --folder /srv/films --max-upload 200M --max-duration 60
"""
LIMITS = (  # flag, field of Limits, type, what it limits
    ("--max-upload", "upload", memory, "bytes of a film, e.g. 200M"),
    ("--max-pixels", "pixels", positive, "pixels of a frame"),
    ("--max-duration", "duration", positive, "seconds of film"),
    ("--max-work", "work", positive, "seconds that a job may take"),
    ("--max-stall", "stall", positive, "seconds between two parts of an upload"),
    ("--max-waiting", "waiting", positive, "films in the queue"),
    ("--keep", "keep", positive, "seconds that a result stays"),
    ("--max-kept", "kept", positive, "finished jobs that stay"),
)
CONNECTIONS = 64
PATIENCE = 5  # seconds that transfers may go on when the service is to stop


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C, which end it with 0; return 1 (failed) or 2 (wrong use) when it cannot start."""
    return run_command(NAME, _parser, _run, argv)


def _run(args: argparse.Namespace) -> int:
    try:  # late, so that --help and wrong flags are answered at once
        import uvicorn

        from deploy.service.app import make_app
    except ModuleNotFoundError as error:
        raise PpvsrError(f'the Python package {error.name!r} is missing: pip install "ppvsr[serve]"') from error
    from deploy.service.folder import working_folder
    from ppvsr.enhance.network import Engine, choose_stages

    choose_stages(args.variant, args.weights)  # raises for names that do not exist
    Engine(args.backend, args.threads)
    limits = Limits(**{field: getattr(args, field) for _, field, *_ in LIMITS})
    weights = str(Path(args.weights).resolve()) if args.weights and Path(args.weights).is_file() else args.weights
    options = {"variant": args.variant, "weights": weights}
    options |= {name: getattr(args, name) for name in ("backend", "threads", "memory", "device")}
    with _listen(args.host, args.port) as listener, working_folder(args.folder) as folder:
        app = make_app(folder, options, limits, _token(args.token_file))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _leave)  # uvicorn stops in peace, and then repeats the signal that stopped it
        host, port = listener.getsockname()[:2]
        print(f"listening on http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)
        config = uvicorn.Config(
            app,
            log_level="warning",
            loop="asyncio",
            http="h11",
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=PATIENCE,
            server_header=False,
        )
        uvicorn.Server(config).run(sockets=[listener])
    return 0


def _leave(number: int, frame: object) -> NoReturn:
    raise SystemExit(0)


def _listen(host: str, port: int) -> socket.socket:
    """Open the port; 0 is any that is free. Raises UsageError."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"--host {host} --port {port}: cannot be opened: {reason}; choose another one") from error


def _token(path: Path | None) -> str | None:
    """Read the token. Raises UsageError when there is none in the file."""
    if path is None:
        return None
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise UsageError(f"--token-file {path}: cannot be read: {getattr(error, 'strerror', error)}") from error
    if not token or len(token.split()) != 1:
        raise UsageError(f"--token-file {path}: must hold one word, the token")
    return token


def _parser() -> Parser:
    parser = Parser(
        prog="serve.py",
        description="Make films larger for HTTP clients, one after the other; see deploy/README.md.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ppvsr {__version__}")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (%(default)s: this machine only)")
    parser.add_argument("--port", type=natural, default=8000, help="(%(default)s; 0: any that is free)")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="clients must send the word in it")
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()), help="for uploads and results (%(default)s)"
    )
    network = parser.add_argument_group("network, as of video-enhance.py")
    network.add_argument("--variant", default="PPMSVSR", metavar="NAME", help="(%(default)s)")
    network.add_argument("--weights", metavar="NAME|PATH", help="bi, official, ... or a file")
    network.add_argument("--backend", default="auto", help="auto, compiled or dygraph (%(default)s)")
    network.add_argument("--device", metavar="NAME", help="cpu, gpu, gpu:1, ... (a GPU where Paddle finds one)")
    network.add_argument("--threads", type=positive, metavar="N", help="threads of the CPU (as many as there are)")
    network.add_argument("--memory", type=memory, metavar="SIZE", help="what a job may use (most of what is free)")
    limits = parser.add_argument_group("limits")

    for flag, field, kind, what in LIMITS:
        limits.add_argument(
            flag, dest=field, type=kind, default=getattr(Limits, field), metavar="N", help=f"{what} (%(default)s)"
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
