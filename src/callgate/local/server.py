"""The child process that runs llama.cpp's own HTTP server: `python -m callgate.local.server`.

It reads one line from its standard input, the API key that callers must send as a bearer token;
once the model is loaded it writes one JSON line, `{"host": …, "port": …}`, to its standard
output. It serves until its standard input ends or its parent goes. The API is llama.cpp's:
https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

_HOST = "127.0.0.1"
_KEY_LIMIT = 1024  # bytes
_MOST_THREADS = 4  # a model this small gains nothing from more
_PARENT_POLL = 0.25  # seconds
_ERRORS = 1  # llama.cpp's level of verbosity


def main(argv: Sequence[str] | None = None) -> int:
    """Serves until told to stop; returns the process's exit status when it cannot start."""
    args = _parser().parse_args(argv)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # a parent may have blocked some
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the gateway, which drains first
    key = sys.stdin.buffer.readline(_KEY_LIMIT).decode().strip()
    if not key:
        print("no API key on the standard input", file=sys.stderr)
        return 2
    watch = threading.Thread(target=_leave_with_parent, args=(os.getppid(),), daemon=True)
    watch.start()
    try:
        import xllamacpp

        server = xllamacpp.Server(_params(xllamacpp.CommonParams(), args, key))
    except (ImportError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    address = urlsplit(server.listening_address)
    print(json.dumps({"host": address.hostname, "port": address.port}), flush=True)
    _silence(1)
    _silence(2)
    watch.join()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m callgate.local.server")
    parser.add_argument("--weights", required=True, help="a .gguf file")
    parser.add_argument("--alias", required=True, help="the model's name in responses")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--context-length", type=int, required=True, help="tokens per request")
    parser.add_argument("--slots", type=int, required=True, help="requests that run at once")
    return parser


def _params(params: Any, args: argparse.Namespace, key: str) -> Any:
    params.model.path = args.weights
    params.model_alias = {args.alias}
    params.hostnames = [_HOST]
    params.port = args.port
    params.api_keys = [key]
    params.n_ctx = args.context_length * args.slots  # llama.cpp divides it among the slots
    params.n_parallel = args.slots
    for cpu in (params.cpuparams, params.cpuparams_batch):
        cpu.n_threads = _threads()
        cpu.poll = 0  # wait for work asleep, not spinning
    params.verbosity = _ERRORS
    params.offline = True
    params.ui = False
    params.endpoint_slots = False
    params.fit_params = False  # the context is what was asked for, or loading fails
    params.cache_ram_mib = 0  # a cache of prompts beside the slots' own: 8 GB unless told
    params.n_ctx_checkpoints = 0
    params.warmup = False
    return params


def _threads() -> int:
    """All cores but one, which the gateway has. llama.cpp's threads spin while they wait for each
    other: where something else needs their cores, fewer of them are several times faster."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(_MOST_THREADS, cores - 1))


def _leave_with_parent(parent: int) -> None:
    """Ends this process when the parent's end of the standard input closes, or when the parent is
    gone although another process still holds that end."""
    while os.getppid() == parent:
        readable, _, _ = select.select([0], [], [], _PARENT_POLL)
        if readable and not os.read(0, _KEY_LIMIT):
            break
    os._exit(0)


def _silence(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main())
