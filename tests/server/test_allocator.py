"""Memory that is freed is there for the next request, without asking the system for it again."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

CHURN = """
import resource, sys
from callgate.server.allocator import keep_freed
if sys.argv[1] == "keep":
    assert keep_freed()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for round in range(21):
    if round == 1:
        before = faults()
    [b"x" * 400_000 for _ in range(6)]
print(faults() - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc")
def test_what_a_large_body_took_is_not_asked_for_anew() -> None:
    faults = {}
    for way in ("usual", "keep"):
        command = [sys.executable, "-c", CHURN, way]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        faults[way] = int(done.stdout)
    assert faults["keep"] < 100 < faults["usual"]
