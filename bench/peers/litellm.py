"""The LiteLLM proxy, as its documentation wants it in production.

One worker, no debug logging, `LITELLM_MODE=PRODUCTION`, a master key:
https://docs.litellm.ai/docs/proxy/prod. No database: its spend logs and virtual keys are not
there, nor what they cost.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bench.cores import pinned
from bench.peers.installation import environment, installed, run, weight
from bench.subject import Subject, free_port, spawn
from bench.tree import Tree

NAME, VERSION = "litellm", "1.106.2"
_KEY = "sk-bench-0123456789"
_CONFIG = """\
model_list:
  - model_name: fake
    litellm_params:
      model: openai/fake
      api_key: x
      api_base: http://127.0.0.1:{upstream}/v1
general_settings:
  master_key: {key}
litellm_settings:
  request_timeout: 600
  set_verbose: False
  json_logs: true
"""
_OWN = ("pip", "setuptools", "_distutils_hack", "distutils-precedence")


def install() -> Path:
    """Its folder. Raises StartError."""
    pip = ["venv/bin/python", "-m", "pip", "install", "-q", f"litellm[proxy]=={VERSION}"]
    return installed(NAME, VERSION, [[sys.executable, "-m", "venv", "venv"], pip])


def weigh(folder: Path) -> tuple[float, int]:
    """Megabytes and number of its packages."""
    packages = next((folder / "venv" / "lib").glob("python*/site-packages"))
    count = sum(not info.name.startswith(_OWN) for info in packages.glob("*.dist-info"))
    return weight(packages, _OWN), count


def versions(folder: Path) -> dict[str, str]:
    """Of it and of what it stands on."""
    asked = "from importlib.metadata import version as v; print(*map(v, ('litellm', 'uvicorn')))"
    own, uvicorn = run([str(folder / "venv/bin/python"), "-c", asked], folder).split()
    return {NAME: own, "uvicorn of litellm": uvicorn}


def start(folder: Path, scratch: Path, upstream: int, cores: frozenset[int]) -> Subject:
    """Start it in front of the fake provider."""
    port = free_port()
    config = scratch / "litellm.yaml"
    config.write_text(_CONFIG.format(upstream=upstream, key=_KEY))
    command = [str(folder / "venv" / "bin" / "litellm"), "--config", str(config)]
    with pinned(cores):
        process = spawn(
            [*command, "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"],
            scratch,
            NAME,
            # The table of prices is the one in the package: no request to the internet at start.
            environment(
                os.environ,
                LITELLM_MODE="PRODUCTION",
                LITELLM_LOG="ERROR",
                LITELLM_LOCAL_MODEL_COST_MAP="True",
            ),
        )
    return Subject(NAME, port, port, Tree(process), f"Bearer {_KEY}", b'"id":"chatcmpl-fake')
