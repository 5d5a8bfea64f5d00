"""The Portkey gateway, self-hosted on Node.js, asked as its documentation shows.

`x-portkey-provider` and `x-portkey-custom-host` lead to the provider:
https://portkey.ai/docs/api-reference/inference-api/headers. The open-source gateway keeps no keys,
limits or records. `@hono/node-server` is held at 1.14.1: with newer ones it answers each stream
with 500, https://github.com/Portkey-AI/gateway/issues/1389.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from bench.cores import pinned
from bench.peers.installation import PEERS, environment, installed, run, weight
from bench.subject import StartError, Subject, free_port, spawn
from bench.tree import Tree

NAME, VERSION, SERVER = "portkey", "1.15.2", "1.14.1"
_PACKAGE = {
    "name": "bench-portkey",
    "private": True,
    "dependencies": {"@portkey-ai/gateway": VERSION},
    "overrides": {"@hono/node-server": SERVER},
}


def install() -> Path:
    """Its folder. Raises StartError."""
    PEERS.mkdir(parents=True, exist_ok=True)
    manifest = PEERS / "portkey.json"
    manifest.write_text(json.dumps(_PACKAGE))
    steps = (
        ["cp", str(manifest), "package.json"],
        ["npm", "install", "--no-audit", "--no-fund", "--omit=dev"],
    )
    return installed(NAME, VERSION, steps)


def weigh(folder: Path) -> tuple[float, int]:
    """Megabytes and number of its packages, Node.js itself aside."""
    modules = folder / "node_modules"
    lock = json.loads((modules / ".package-lock.json").read_text())
    return weight(modules), len(lock["packages"])


def versions(folder: Path) -> dict[str, str]:
    """Of it and of what it stands on."""
    found = {}
    for name, package in ((NAME, "@portkey-ai/gateway"), ("@hono/node-server",) * 2):
        manifest = folder / "node_modules" / package / "package.json"
        found[name] = str(json.loads(manifest.read_text())["version"])
    return {**found, "node": run(["node", "--version"], folder).strip().removeprefix("v")}


def start(folder: Path, scratch: Path, upstream: int, cores: frozenset[int]) -> Subject:
    """Start it; each request names the fake provider."""
    port = free_port()
    program = folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    if not program.exists():
        raise StartError(f"there is no {program}")
    with pinned(cores):
        process = spawn(
            ["node", str(program), f"--port={port}", "--headless"],
            scratch,
            NAME,
            environment(os.environ, NODE_ENV="production"),
        )
    host = f"x-portkey-custom-host: http://127.0.0.1:{upstream}/v1\r\n"
    headers = f"x-portkey-provider: openai\r\n{host}"
    marker = b'"id":"chatcmpl-fake'
    return Subject(NAME, port, port, Tree(process), "Bearer x", marker, headers=headers)
