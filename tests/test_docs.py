"""The documentation, held against the code that it speaks of."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import msgspec
import pytest
from msgspec import NODEFAULT, Struct
from starlette.applications import Starlette
from starlette.routing import Route

from callgate.app import REPLAYED, build_worker, describe
from callgate.cli.listgroup import ListGroup
from callgate.cli.main import COMMANDS, callgate
from callgate.config import load
from callgate.config.settings import Settings
from callgate.errors import TAXONOMY
from callgate.providers.registry import DIALECTS, VENDORS
from callgate.web.chat import CHAT_PATH
from callgate.web.errorexamples import EXAMPLES, REASONS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SOURCE = ROOT / "src" / "callgate"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_ROW = re.compile(r"^\| `(\w+)` \| (.+?) \|", re.MULTILINE)
_VARIABLE = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+")
_READERS = {"get", "either", "getenv"}
_INSTALLED = re.compile(r"[A-Za-z0-9._-]+")


def named(path: Path) -> str:
    return path.name


def blocks(path: Path, *languages: str) -> list[str]:
    """The code blocks of a page that are marked so."""
    return [text for language, text in _BLOCK.findall(path.read_text()) if language in languages]


def prose(path: Path) -> str:
    return _BLOCK.sub("", path.read_text())


def generator() -> ModuleType:
    spec = spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Settings


def struct_in(kind: Any) -> type[Struct] | None:
    """The table that a field holds, directly, in a list or under names."""
    for one in (kind, *getattr(kind, "__args__", ())):
        if isinstance(one, type) and issubclass(one, Struct):
            return one
    return None


def tables(kind: type[Struct], heading: str = "Top level") -> Iterator[tuple[str, type[Struct]]]:
    """Each table of the configuration under the heading that it has in the page."""
    yield heading, kind
    for field in msgspec.structs.fields(kind):
        inner = struct_in(field.type)
        if inner is None:
            continue
        path = field.name if heading == "Top level" else f"{heading.strip('`[]')}.{field.name}"
        origin = getattr(field.type, "__origin__", None)
        if origin is dict:
            yield from tables(inner, f"`[{path}.NAME]`")
        else:
            yield from tables(inner, f"`[[{path}]]`" if origin is list else f"`[{path}]`")


def default_of(field: msgspec.structs.FieldInfo) -> str:
    """A default as the page writes it."""
    default = field.default
    if default is NODEFAULT and field.default_factory is not NODEFAULT:
        default = field.default_factory()
    if default is NODEFAULT:
        return "required"
    if isinstance(default, Struct):
        return "all defaults"
    return f"`{msgspec.json.encode(default).decode() if default is not None else 'None'}`"


@pytest.mark.parametrize(("heading", "kind"), list(tables(Settings)))
def test_every_setting_is_documented_with_its_default(heading: str, kind: type[Struct]) -> None:
    page = (DOCS / "configuration.md").read_text()
    start = page.find(f"\n### {heading}\n")
    assert start >= 0, f"docs/configuration.md has no section {heading}"
    section = page[start + 5 :].split("\n#", 1)[0]
    documented = dict(_ROW.findall(section))
    expected = {
        field.encode_name: default_of(field)
        for field in msgspec.structs.fields(kind)
        if not (heading == "Top level" and is_headed(field))
    }
    assert documented == expected


def is_headed(field: msgspec.structs.FieldInfo) -> bool:
    """A table of the top level has a section of its own, not a row."""
    return struct_in(field.type) is not None


def test_every_setting_is_replayed_or_has_no_say_in_an_answer() -> None:
    without_say = {
        "data_dir", "catalogue", "upstream", "store", "counters", "capture", "journal", "metrics",
        "traces", "providers", "models", "accounts",
    }  # fmt: skip
    assert set(Settings.__struct_fields__) == {*REPLAYED, *without_say}


def test_every_dialect_is_documented() -> None:
    page = (DOCS / "configuration.md").read_text()
    row = next(line for line in page.splitlines() if line.startswith("| `dialect` |"))
    assert set(DIALECTS) == set(re.findall(r"`(\w+)`", row.split("|")[3]))


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_every_example_of_a_configuration_can_be_read(path: Path, tmp_path: Path) -> None:
    for number, text in enumerate(blocks(path, "toml")):
        file = tmp_path / f"{number}.toml"
        file.write_text(text)
        variables = dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "x")
        assert load(file, variables).models


def variables_read() -> set[str]:
    """Every environment variable that the code reads by name."""
    found = {vendor.env for vendor in VENDORS.values() if vendor.env}
    for path in (SOURCE / "config").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            words: list[ast.expr] = []
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                words = node.args if name in _READERS else []
            elif isinstance(node, ast.Subscript) and "environ" in ast.unparse(node.value):
                words = [node.slice]
            found |= {
                word.value
                for word in words
                if isinstance(word, ast.Constant)
                and isinstance(word.value, str)
                and _VARIABLE.fullmatch(word.value)
            }
    return found


def test_every_environment_variable_is_documented() -> None:
    read = variables_read()
    assert {"http_proxy", "NO_PROXY", "SSL_CERT_FILE", "OPENAI_API_KEY"} <= read
    page = (DOCS / "configuration.md").read_text()
    assert not {name for name in read if f"`{name}`" not in page}


# Routes


async def test_every_route_is_documented(tmp_path: Path) -> None:
    file = tmp_path / "callgate.toml"
    file.write_text("")
    config = load(file, {})
    with build_worker(config) as worker:
        cold = worker.gate._cold
    assert isinstance(cold, Starlette)
    paths = [route.path for route in cold.routes if isinstance(route, Route)]
    assert len(paths) == len(cold.routes) > 4
    served = {re.sub(r":\w+}", "}", path) for path in paths} | {CHAT_PATH}
    page = (DOCS / "api.md").read_text()
    described = describe(config)["paths"]
    assert isinstance(described, dict)
    assert served == set(described)
    assert not {path for path in served if not re.search(rf"`\w+ {re.escape(path)}`", page)}


# Generated parts


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.md")), ids=named)
def test_generated_parts_are_up_to_date(path: Path) -> None:
    page = path.read_text()
    assert generator().refreshed(page) == page, "run: python docs/generate.py"


def test_every_error_has_a_section() -> None:
    page = (DOCS / "troubleshooting.md").read_text()
    assert [name for name in TAXONOMY if f"\n### {name}\n" not in page] == []
    assert "<!-- generated: errors -->" in page
    assert "<!-- generated: vendors -->" in (DOCS / "configuration.md").read_text()


def test_every_example_of_an_error_is_of_the_taxonomy() -> None:
    assert set(EXAMPLES) | set(REASONS) <= set(TAXONOMY)


# Dependencies


def test_every_dependency_says_why_it_is_here() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras: dict[str, list[str]] = project["optional-dependencies"]
    page = (DOCS / "dependencies.md").read_text()
    head, left_out, _ = page.partition("## Left out")
    assert left_out
    base, _, rest = head.partition("## Extras")
    assert listed(project["dependencies"]) == set(
        re.findall(r"^\| `([\w.-]+)` ", base, re.MULTILINE)
    )
    named_in_rest = set(re.findall(r"`([\w.-]+)`", rest))
    assert listed([one for extra in extras.values() for one in extra]) <= named_in_rest
    assert set(extras) <= named_in_rest


def listed(requirements: list[str]) -> set[str]:
    return {_INSTALLED.match(one)[0] for one in requirements}  # type: ignore[index]


# Commands


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command with the words that call it."""
    for name in COMMANDS:
        command = callgate.get_command(click.Context(callgate), name)
        assert command is not None
        if isinstance(command, click.Group):
            if isinstance(command, ListGroup):
                yield name, command.commands["list"]
            for inner, subcommand in command.commands.items():
                yield f"{name} {inner}", subcommand
        else:
            yield name, command


def test_every_command_is_documented() -> None:
    text = "".join(path.read_text() for path in PAGES)
    assert [words for words, _ in commands() if f"callgate {words}" not in text] == []


def shell_lines(path: Path) -> Iterator[list[str]]:
    """The commands in a page's code blocks as words, prompts and variables taken off."""
    for text in blocks(path, "", "sh", "bash"):
        for line in text.replace("\\\n", " ").splitlines():
            bare = line.removeprefix("$ ").partition("  ")[0]
            try:
                words = shlex.split(bare)
            except ValueError:
                continue  # output, not a command
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                words.pop(0)
            if words:
                yield words


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_every_command_of_an_example_exists(path: Path) -> None:
    known = dict(commands())
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for program, *words in shell_lines(path):
        if program == "make" and words:
            assert words[0] in targets, f"make {words[0]}"
        if program in ("callgate", ".venv/bin/callgate") and words:
            name = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in known), None)
            assert name, f"callgate {' '.join(words)}"
            options = {option for one in known[name].params for option in one.opts}
            given = {word.partition("=")[0] for word in words if word.startswith("-")}
            assert given <= options, f"callgate {' '.join(words)}"


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_what_curl_is_to_send_is_said_to_be_json(path: Path) -> None:
    """Without that it says that it sends a form, which is refused."""
    for text in blocks(path, "", "sh", "bash"):
        for command in re.findall(r"\bcurl (?:[^\n\\]|\\\n)*? -d '", text):
            assert "Content-Type: application/json" in command, command


def test_the_readme_names_the_two_commands() -> None:
    made = [words[1] for words in shell_lines(ROOT / "README.md") if words[0] == "make"]
    assert made[:2] == ["demo", "run"]


# Links


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = _HEADING.findall(prose(path))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    for link in _LINK.findall(prose(path)):
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_every_page_is_reachable_from_the_readme() -> None:
    linked = {link.partition("#")[0] for link in _LINK.findall(prose(ROOT / "README.md"))}
    assert {f"docs/{path.name}" for path in DOCS.glob("*.md")} <= linked


# The map


def test_the_architecture_shows_every_room() -> None:
    page = (DOCS / "architecture.md").read_text()
    rooms = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
    assert [name for name in sorted(rooms) if f"{name}/" not in page] == []


def test_the_architecture_maps_every_file_of_a_large_room_once() -> None:
    rows = re.findall(
        r"^\| `([\w/]+)/` \| [^|]+ \| ([^|]+) \|$",
        (DOCS / "architecture.md").read_text(),
        re.MULTILINE,
    )
    mapped = [f"{room}/{file}" for room, files in rows for file in re.findall(r"`(\S+)`", files)]
    rooms = {folder: list(folder.glob("[!_]*.py")) for folder in SOURCE.rglob("*/")}
    told = {SOURCE / room for room, _ in rows}
    assert {folder for folder, files in rooms.items() if len(files) > 16} <= told
    there = [str(file.relative_to(SOURCE)) for folder in told for file in rooms[folder]]
    assert sorted(mapped) == sorted(there)


def test_the_architecture_tells_what_the_tests_share() -> None:
    section = (DOCS / "architecture.md").read_text().split("## The tests")[1].split("\n## ")[0]
    shared = [path.name for path in (ROOT / "tests").glob("[!_]*.py")]
    kept = [name for name in shared if not name.startswith(("test_", "conftest"))]
    assert [name for name in kept if f"`{name}`" not in section] == []


def test_every_file_that_the_architecture_names_exists() -> None:
    page = prose(DOCS / "architecture.md")
    files = set(re.findall(r"`((?:\w+/)+\w+\.(?:py|toml|md))`", page))
    assert len(files) > 30
    assert [
        name for name in files if not any((base / name).exists() for base in (SOURCE, ROOT))
    ] == []


def test_the_changelog_tells_each_change_once_and_in_a_line() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text().partition("## Unreleased")[2].splitlines()
    entries = [line for line in lines if line and not line.startswith("#")][1:]
    assert [line for line in entries if not line.startswith("- ") or len(line) > 130] == []
    assert sorted(set(entries)) == sorted(entries)
