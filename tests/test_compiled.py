"""What the compiled build is made of; that it behaves the same is shown by `make test-compiled`."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

from callgate.cli.build import compiled

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src"


def listed() -> list[str]:
    spec = importlib.util.spec_from_file_location("callgate_setup", ROOT / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.files())


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(SRC).with_suffix("").parts)


def test_what_is_compiled_exists_and_is_listed_once() -> None:
    names = listed()
    assert len(names) == len(set(names)) > 40
    assert [name for name in names if not (ROOT / name).is_file()] == []


def test_no_interpreted_class_inherits_from_a_compiled_one() -> None:
    chosen = {ROOT / name for name in listed()}
    rooms = {module_of(path) for path in chosen}
    found = []
    for path in set(SRC.rglob("*.py")) - chosen:
        tree = ast.parse(path.read_text())
        taken = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module in rooms
            for alias in node.names
        }
        found += [
            f"{module_of(path)}.{node.name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
            and any(isinstance(base, ast.Name) and base.id in taken for base in node.bases)
        ]
    assert found == []


def test_nothing_is_compiled_whose_fields_are_read_by_their_types() -> None:
    told = ("Struct", "msgspec.Struct", "dataclass")
    found = [
        f"{name}: {node.name}"
        for name in listed()
        for node in ast.walk(ast.parse((ROOT / name).read_text()))
        if isinstance(node, ast.ClassDef)
        and any(
            ast.unparse(word).partition("(")[0] in told
            for word in (*node.bases, *node.decorator_list)
        )
    ]
    assert found == []


def test_no_attribute_of_what_is_compiled_is_a_keyword_of_its_compiler() -> None:
    # An attribute becomes a field of a C struct, an underscore before it. GCC's alternate keywords:
    # https://gcc.gnu.org/onlinedocs/gcc/Alternate-Keywords.html
    reserved = {
        f"_{word}"
        for word in (
            *("alignof", "asm", "attribute", "auto_type", "complex", "const", "extension", "imag"),
            *("inline", "label", "real", "restrict", "signed", "thread", "typeof", "volatile"),
        )
    }
    found = {
        f"{name}: {node.attr}"
        for name in listed()
        for node in ast.walk(ast.parse((ROOT / name).read_text()))
        if isinstance(node, ast.Attribute) and node.attr in reserved
    }
    assert found == set()


def test_which_build_runs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Spec:
        origin = "/x/callgate/core/sse.cpython-311-x86_64-linux-gnu.so"

    assert compiled() == (importlib.util.find_spec("callgate.core.sse").origin[-3:] != ".py")
    monkeypatch.setattr("callgate.cli.build.find_spec", lambda _: Spec)
    assert compiled()
