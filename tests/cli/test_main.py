"""The command itself: what it imports, how it tells of mistakes, its exit codes."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from callgate.cli.main import COMMANDS, callgate
from patience import PATIENCE

from .conftest import Home

OURS = ["keys", "models", "show", "logs"]


def python(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=cwd,
        check=False,
    )


def test_version_from_a_shell() -> None:
    done = python("-m", "callgate", "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("callgate 0.")


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_version_and_help_import_no_room_of_the_house(argument: str) -> None:
    done = python(
        "-c",
        "import sys; from callgate.cli.main import callgate\n"
        f"try: callgate(['{argument}'], prog_name='callgate')\n"
        "except SystemExit as end: code = end.code\n"
        "print(code, *sorted(sys.modules), file=sys.stderr)",
    )
    code, *modules = done.stderr.split()
    assert code == "0"
    foreign = {"sqlalchemy", "alembic", "msgspec", "uvicorn", "starlette", "callgate.config"}
    assert not foreign & set(modules)


def test_help_names_every_command_with_what_it_is_for() -> None:
    text = CliRunner().invoke(callgate, ["--help"]).stdout
    for name, entry in COMMANDS.items():
        assert f"  {name} " in text
        assert entry.help in text


def test_every_command_can_be_imported() -> None:
    for entry in COMMANDS.values():
        command = getattr(import_module(entry.module), entry.attribute)
        assert isinstance(command, click.Command)


def leaves(name: str) -> list[tuple[str, click.Command]]:
    command = getattr(import_module(COMMANDS[name].module), COMMANDS[name].attribute)
    if not isinstance(command, click.Group):
        return [(name, command)]
    return [(f"{name} {sub}", leaf) for sub, leaf in command.commands.items()]


@pytest.mark.parametrize(("name", "command"), [leaf for name in OURS for leaf in leaves(name)])
def test_every_command_takes_a_config_and_prints_json(name: str, command: click.Command) -> None:
    options = {option for parameter in command.params for option in parameter.opts}
    assert {"--config", "--json"} <= options
    assert ("--limit" in options) == (name in ("keys list", "models list", "logs"))


def test_no_command_shows_the_help_and_fails() -> None:
    result = CliRunner().invoke(callgate, [])
    assert result.exit_code == 2
    assert "Commands:" in result.stderr


@pytest.mark.parametrize("noun", ["keys", "models", "accounts"])
def test_a_kind_of_thing_alone_is_listed(home: Home, noun: str) -> None:
    home.json("keys", "create", "--name", "one")
    whole = home.run(noun, "list")
    assert (whole.exit_code, home.run(noun).output) == (0, whole.output)
    assert home.json(noun, "--limit", "1") == home.json(noun, "list")[:1] != []
    before = CliRunner(env={"COLUMNS": "100"})
    told = before.invoke(callgate, [noun, "--config", str(home.config), "list"])
    assert told.output == whole.output
    helped = before.invoke(callgate, [noun, "--help"])
    assert helped.exit_code == 0
    assert "Without a command: list." in helped.output
    lost = before.invoke(callgate, [noun, "nonsense"])
    assert (lost.exit_code, lost.stdout) == (2, "")
    assert "No such command 'nonsense'" in lost.stderr


@pytest.mark.parametrize(
    ("arguments", "told", "fix"),
    [
        (["nonsense"], "No such command 'nonsense'", "There are: serve, demo, "),
        (["keys", "delete"], "No such command 'delete'", "There are: change, create, "),
        (["--nonsense"], "No such option", "See 'callgate --help'."),
    ],
)
def test_a_mistaken_command_line_is_told_in_one_line(
    arguments: list[str], told: str, fix: str
) -> None:
    result = CliRunner().invoke(callgate, arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("callgate: ")
    assert told in result.stderr.splitlines()[0]
    assert result.stderr.splitlines()[-1].startswith(f"  {fix}")


@pytest.mark.parametrize(
    "arguments", [("keys", "list"), ("models",), ("logs",), ("show", "abc")], ids=" ".join
)
def test_every_mistake_of_a_configuration_is_named(home: Home, arguments: tuple[str, ...]) -> None:
    home.config.write_text('regoin = "us"\n[server]\nport = "x"\n')
    result = home.run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    *mistakes, fix = result.stderr.splitlines()
    assert all(line.startswith("callgate: ") for line in mistakes)
    assert any("server.port" in line for line in mistakes)
    assert any("regoin" in line for line in mistakes)
    assert "--config" in fix


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        *(
            ((*command.split(), option, "caf\udce9"), "is not UTF-8")
            for command, options in {
                "logs": "--model --account --key",
                "usage": "--model --account --key",
                "why": "--model --account",
                "bundle --since 1h": "--model",
            }.items()
            for option in options.split()
        ),
        (("logs", "--error", "rate_limit"), "did you mean 'rate_limited'?"),
        (("keys", "create", "--name", "x", "--expires", "0d"), "is zero"),
        (("chaos", "--host", "a..b", "--port", "0"), "cannot listen on a..b port 0: not a valid"),
    ],
    ids=lambda part: " ".join(part[:-1]) if isinstance(part, tuple) else "",
)
def test_a_value_that_makes_no_sense_is_told_in_one_line(
    home: Home, arguments: tuple[str, ...], told: str
) -> None:
    if arguments[0] == "chaos":
        result = CliRunner().invoke(callgate, arguments)
    else:
        result = home.run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    (line, _fix) = result.stderr.splitlines()
    assert told in line


def test_a_missing_configuration_that_was_named_is_told(home: Home) -> None:
    home.config.unlink()
    result = home.run("models")
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr


def test_a_store_that_cannot_be_opened_is_told_with_the_fix(home: Home) -> None:
    home.data.write_text("a file where the folder should be")
    result = home.run("keys", "list")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("callgate: cannot open the store")


def test_a_round_trip_from_a_shell(home: Home) -> None:
    """The real console, with no --config: `./callgate.toml` is read."""
    made = python("-m", "callgate", "keys", "create", "--name", "ci", cwd=home.folder)
    assert made.returncode == 0, made.stderr
    listed = python("-m", "callgate", "keys", "list", cwd=home.folder)
    assert listed.returncode == 0, listed.stderr
    assert made.stdout.strip()[-4:] in listed.stdout
    assert "\x1b" not in listed.stdout
    unknown = python("-m", "callgate", "show", "nonsense", cwd=home.folder)
    assert unknown.returncode == 1
    assert "Traceback" not in unknown.stderr


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (
            PermissionError(13, "Permission denied", "/srv/callgate.db"),
            2,
            ("/srv/callgate.db", "user"),
        ),
        (OSError(28, "No space left on device"), 1, ("No space left", "free space")),
    ],
)
def test_a_failure_of_the_system_is_told_without_a_traceback(
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    error: OSError,
    code: int,
    words: tuple[str, ...],
) -> None:
    def fail(_config: object) -> None:
        raise error

    monkeypatch.setattr("callgate.cli.logs.reading", fail)
    result = home.run("logs")
    assert (result.exit_code, result.stdout) == (code, "")
    first, fix = result.stderr.splitlines()
    assert first.startswith("callgate: ")
    assert fix.startswith("  ")
    assert all(word in result.stderr for word in words)


def test_a_misspelt_command_is_told_what_was_meant() -> None:
    done = CliRunner().invoke(callgate, ["sho"])
    assert done.exit_code == 2
    assert done.stderr.startswith("callgate: No such command 'sho'. Did you mean 'show'?\n  There")
