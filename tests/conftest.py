"""What every test may use."""

import gc
import os
import re
import signal
import sys
import tempfile
from datetime import datetime, tzinfo
from importlib import import_module

import pytest
from hypothesis import HealthCheck, settings

from recorded import FORCED

pytest_plugins = ("weights", "pgserver")

# The tests start some hundred processes: without bytecode on disk each compiles all it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# What whoever runs the tests has set for other programs: a proxy would get the tests' requests, a
# provider could get a real key, and drivers would look for servers elsewhere.
_OTHERS = re.compile(
    r"(?i).*_(proxy|key)|(ssl_cert|requests_ca|curl_ca|openai|anthropic|google|gemini|azure|aws"
    r"|otel|langchain|langsmith)_.*|pg[a-z]+|callgate_(?!test|recordings).*|no_color|force_color"
)
for _name in [name for name in os.environ if _OTHERS.fullmatch(name)]:
    del os.environ[_name]

# The servers of the tests listen on Unix sockets, whose paths have at most 107 bytes.
if len(os.fsencode(tempfile.gettempdir())) > 50:
    os.environ["TMPDIR"] = tempfile.tempdir = "/tmp"

_LONG = (
    "tests/e2e/test_kill.py",
    "tests/e2e/test_schema_fuzz.py",
    "tests/e2e/test_structured_local.py",
    "tests/e2e/",
    "tests/local/",
    "tests/store/",
    "tests/capture/",
    "tests/replay/",
)

# The same examples in every run, and no verdict from a clock that other processes slow down; with
# `--hypothesis-profile searching` others each time.
settings.register_profile(
    "repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("searching", settings.get_profile("repeatable"), derandomize=False)
settings.load_profile("repeatable")


class _Then(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return datetime(2026, 11, 24, tzinfo=tz)


@pytest.fixture
def before_retirements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads configurations on a day on which the models are served that tests take from the
    catalogue: it knows when they are retired.
    """
    for module in ("load", "overlay"):
        monkeypatch.setattr(import_module(f"callgate.config.{module}"), "datetime", _Then)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first, so that no process is left with it when the others are done."""
    items.sort(
        key=lambda item: next(
            (place for place, path in enumerate(_LONG) if item.nodeid.startswith(path)), len(_LONG)
        )
    )


def pytest_collection_finish() -> None:
    """What is imported by now stays: no collection of garbage has to look at it again."""
    gc.collect()
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--capture-all",
        action="store_true",
        help="have every gateway capture every request, and replay each of them at its end",
    )


def pytest_configure(config: pytest.Config) -> None:
    # A shell that runs the tests in its background has them, and all they start, ignore SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("--capture-all"):
        os.environ[FORCED] = "all"
