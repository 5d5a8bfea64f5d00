"""The rules of the house, held against every file of the source."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "callgate"
FILES = sorted(SOURCE.rglob("*.py"))
MAX_LINES = 400
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}

# Each room may import the rooms named here and nothing else of the house.
BASE = {"core", "errors"}
ALLOWED = {
    "errors": set(),
    "core": {"errors"},
    "files": {"errors"},
    "extras": set(),
    "providers": BASE,
    "upstream": BASE | {"files"},
    "store": BASE | {"extras"},
    "catalogue": set(),
    "prices": BASE,
    "local": BASE | {"extras"},
    "chaos": {"core"},
    "engine": BASE | {"upstream", "providers", "store.base"},
    "support": BASE | {"extras", "store.base"},
    "capture": BASE | {"engine"},
    "replay": BASE
    | {
        "app",
        "capture",
        "config",
        "engine",
        "store",
        "support",
        "upstream",
        "web.head",
        "web.reply",
        "world",
    },
    "metrics": {"core"},
    "traces": BASE,
    "web": BASE
    | {
        "files",
        "engine",
        "metrics.sheets",
        "metrics.exposition",
        "providers",
        "store.base",
        "support.story",
    },
    "config": BASE
    | {"catalogue", "extras", "providers", "upstream.proxy", "upstream.settings", "local.model"},
    "effect": {"config", "core", "store.base"},
    "world": BASE | {"config", "engine", "files", "store", "upstream"},
    "app": {"*"},
    "server": {
        "app",
        "capture",
        "config",
        "core",
        "errors",
        "files",
        "metrics",
        "store",
        "traces",
        "web.door",
        "web.protocol",
        "web.settings",
    },
    "cli": BASE
    | {
        "app",
        "capture",
        "config",
        "catalogue",
        "chaos",
        "extras",
        "prices",
        "local",
        "replay",
        "server",
        "store",
        "support",
        "world",
    },
    "__main__": {"cli"},
    "client": set(),
    "readiness": {"effect", "engine", "files", "store", "web"},
    "pricekeeper": {"engine", "prices", "web"},
    "__init__": set(),
}
SANS_IO = ("core", "providers")
IO_MODULES = {
    "asyncio", "http.client", "io", "logging", "multiprocessing", "os", "pathlib", "random",
    "secrets", "select", "selectors", "shutil", "signal", "socket", "ssl", "subprocess",
    "tempfile", "threading", "time", "urllib.request", "uvloop",
}  # fmt: skip
DRIVERS = {
    "sqlite3": "store/sqlite.py",
    "psycopg": "store/postgres.py",
    "redis": "store/counters/redis.py",
}
OUTWARD = {"create_connection", "open_connection", "urlopen", "HTTPConnection", "HTTPSConnection"}


@cache
def source(path: Path) -> str:
    return path.read_text()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(source(path))


@cache
def modules(path: Path) -> tuple[str, ...]:
    """Every module that a file imports, absolute names."""
    return tuple(_modules(path))


def _modules(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def named(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def test_there_is_a_house() -> None:
    assert len(FILES) > 50
    assert {room(path) for path in FILES} <= set(ALLOWED), "a new room needs its rule here"


def test_the_architecture_says_what_each_room_may_import() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = page.split("| room | may import |\n|---|---|\n")[1].split("\n\n")[0]
    told = {}
    for row in table.splitlines():
        rooms, allowed = (re.findall(r"`([\w.]+)`", cell) for cell in row.split("|")[1:3])
        for name in rooms:
            told[name] = {"*"} if "| everything |" in row else set(allowed)
    assert told == {name: ALLOWED[name] for name in ALLOWED if not name.startswith("__")}


def test_imports_point_downward() -> None:
    assert not [(named(path), module) for path in FILES for module in upward(path)]


def upward(path: Path) -> Iterator[str]:
    """What a file imports and may not."""
    own, allowed = room(path), ALLOWED[room(path)]
    if "*" in allowed:
        return
    for module in modules(path):
        if not module.startswith("callgate."):
            continue
        inner = module.removeprefix("callgate.")
        target = inner.split(".")[0]
        if not (SOURCE / target).exists() and not (SOURCE / f"{target}.py").exists():
            continue  # an attribute of the package itself
        permitted = (
            target == own
            or target in allowed
            or any(inner == one or inner.startswith(f"{one}.") for one in allowed)
            or any(one.startswith(f"{inner}.") for one in allowed)  # `from store import base`
        )
        if not permitted:
            yield module


def test_the_core_does_no_io() -> None:
    pure = [path for path in FILES if room(path) in SANS_IO]
    used = {named(path): IO_MODULES & set(modules(path)) for path in pure}
    assert len(used) > 50
    assert not {name: found for name, found in used.items() if found}


def test_files_are_small_and_well_named() -> None:
    assert not [named(path) for path in FILES if len(source(path).splitlines()) > MAX_LINES]
    assert not [named(path) for path in FILES if path.stem in BANNED_NAMES]


def test_only_its_own_file_imports_a_database_driver() -> None:
    for path in FILES:
        for driver, home in DRIVERS.items():
            assert driver not in set(modules(path)) or named(path) == home, named(path)


def test_only_the_upstream_connects_outward() -> None:
    for path in FILES:
        text = source(path)
        if room(path) in ("upstream", "cli") or not any(name in text for name in OUTWARD):
            continue
        for node in ast.walk(tree(path)):
            name = getattr(node, "attr", getattr(node, "id", None))
            assert name not in OUTWARD, f"{named(path)} uses {name}"


def test_only_the_command_line_hands_the_environment_to_the_configuration() -> None:
    for path in FILES:
        for node in ast.walk(tree(path)) if "env" in source(path) else ():
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"):
                assert named(path) == "cli/options.py" or room(path) == "local", named(path)


def test_no_provider_imports_another_except_to_extend_openai() -> None:
    families = {path.name for path in (SOURCE / "providers").iterdir() if path.is_dir()}
    for path in FILES:
        if room(path) != "providers" or path.stem == "registry":
            continue
        own = path.parent.name if path.parent.name != "providers" else path.stem
        for module in modules(path):
            parts = module.split(".")
            if parts[:2] == ["callgate", "providers"] and len(parts) > 3 and parts[2] in families:
                assert parts[2] in (own, "openai"), f"{named(path)} imports {module}"


def test_importing_does_no_work_and_leaves_no_state() -> None:
    assert not [f"{named(path)}:{told}" for path in FILES for told in work_at_import(path)]


def work_at_import(path: Path) -> Iterator[str]:
    """Where a file does more than define, and what it does."""
    allowed = (
        ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef,
        ast.Assign, ast.AnnAssign, ast.If, ast.Expr,
    )  # fmt: skip
    for node in tree(path).body:
        if not isinstance(node, allowed):
            yield f"{node.lineno} acts"
        if isinstance(node, ast.If):
            guard = ast.unparse(node.test)
            if guard not in ("TYPE_CHECKING", "__name__ == '__main__'"):
                yield f"{node.lineno} decides by {guard}"
        if (
            isinstance(node, ast.Expr)
            and path.parent.name != "migrations"  # Alembic runs it
            and not isinstance(node.value, ast.Constant)
        ):
            yield f"{node.lineno} acts"
    for within in ast.walk(tree(path)):
        if isinstance(within, ast.Global):
            yield f"{within.lineno} has mutable state"


def test_every_public_thing_says_what_it_is() -> None:
    assert not [f"{named(path)}: {name}" for path in FILES for name in undescribed(path)]


def undescribed(path: Path) -> Iterator[str]:
    """What of a file has no docstring: itself, or a public function or class in it."""
    if path.stem == "__init__" and not source(path).strip():
        return
    if not ast.get_docstring(tree(path)):
        yield "the file"
    for node in tree(path).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            public = not node.name.startswith("_")
            if public and not ast.get_docstring(node):
                yield node.name


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import os\nos.getcwd()\n", ["2 acts"]),
        ("if 1 > 0:\n    X = 1\n", ["1 decides by 1 > 0"]),
        ("for X in ():\n    pass\n", ["1 acts"]),
        ("def f():\n    global X\n    X = 1\n", ["2 has mutable state"]),
        ('"""D."""\nif TYPE_CHECKING:\n    import os\nX: int = 1\n', []),
    ],
    ids=range(5),
)
def test_what_works_at_import_is_seen(tmp_path: Path, text: str, told: list[str]) -> None:
    (tmp_path / "x.py").write_text(text)
    assert list(work_at_import(tmp_path / "x.py")) == told


def test_what_is_not_described_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text("def f(): ...\nclass C:\n    'c'\ndef _g(): ...\n")
    assert list(undescribed(file)) == ["the file", "f"]


@pytest.mark.parametrize(
    ("own", "imported", "told"),
    [
        ("core/x.py", "from callgate.web import gate", ["callgate.web", "callgate.web.gate"]),
        ("engine/x.py", "from callgate.store.sqlite import S", ["callgate.store.sqlite",
                                                                "callgate.store.sqlite.S"]),
        ("engine/x.py", "from callgate.store import base", []),
        ("app.py", "import callgate.cli", []),
    ],
    ids=range(4),
)  # fmt: skip
def test_what_points_upward_is_seen(
    own: str, imported: str, told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("core", "engine", "web", "store", "cli"):
        (tmp_path / place).mkdir()
    (tmp_path / own).write_text(imported)
    monkeypatch.setattr(sys.modules[__name__], "SOURCE", tmp_path)
    assert list(upward(tmp_path / own)) == told
