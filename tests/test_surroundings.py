"""What whoever runs the tests has set for other programs reaches none of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SHOW = "import conftest, json, os; print(json.dumps(dict(os.environ)))"
OTHERS = (
    "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "no_proxy", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE",
    "OPENAI_API_KEY", "OPENAI_BASE_URL", "XAI_API_KEY", "AWS_PROFILE", "PGHOST", "CALLGATE_KEY",
    "GRADIENT_MODEL_ACCESS_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS", "OTEL_EXPORTER_OTLP_ENDPOINT",
)  # fmt: skip
OURS = ("CALLGATE_TEST_WEIGHTS", "CALLGATE_RECORDINGS", "TMPDIR", "PIP_INDEX_URL", "TZ")


def test_no_proxy_and_no_real_key_reaches_a_test() -> None:
    given = {**os.environ, **dict.fromkeys((*OTHERS, *OURS), "set outside")}
    done = subprocess.run(
        [sys.executable, "-c", SHOW],
        cwd=Path(__file__).parent,
        env=given,
        capture_output=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert not found.keys() & set(OTHERS)
    assert found.keys() >= set(OURS)
