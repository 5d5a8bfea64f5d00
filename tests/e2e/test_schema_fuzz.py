"""Requests made from the gateway's own OpenAPI document, sound and unsound, held against it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from gateway import Gateway, environment
from patience import PATIENCE

EXAMPLES = 10
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
)


def described(gateway: Gateway) -> dict[str, Any]:
    """The document, but for the schema of the stream: OpenAPI 3.1 has no words for events."""
    document: dict[str, Any] = httpx.get(f"{gateway.url}/openapi.json", timeout=PATIENCE).json()
    answer = document["paths"]["/v1/chat/completions"]["post"]["responses"]["200"]
    del answer["content"]["text/event-stream"]["schema"]
    return document


def test_every_answer_is_as_the_document_says(gateway: Gateway, tmp_path: Path) -> None:
    document = described(gateway)
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", "openapi.json",
        "--url", gateway.url,
        "--header", f"Authorization: {gateway.key}",
        "--checks", ",".join(CHECKS),
        "--phases", "examples,coverage,fuzzing",
        "--max-examples", str(EXAMPLES),
        "--seed", "1",
        "--generation-database", "none",
        "--request-timeout", "20",
        "--continue-on-failure",
        "--warnings", "off",
        "--no-color",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=240,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert f"Tested: {len(document['paths'])}" in done.stdout
    assert gateway.process.poll() is None
    assert '"internal_error"' not in gateway.log
