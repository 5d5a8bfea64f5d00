"""What a configuration has from variables and files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from callgate.config import ConfigError, load

FROM_FILE = """
[providers.openai]
api_key = "${file:keys/openai}"
[models."gpt-4.1"]
"""


def key_of(file: Path) -> str:
    (deployment,) = load(file, {}).models["gpt-4.1"].deployments
    return deployment.secret.reveal()


def test_a_secret_in_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    file, secret = tmp_path / "callgate.toml", tmp_path / "keys" / "openai"
    file.write_text(FROM_FILE)
    secret.parent.mkdir()
    for key in ("sk-first", "sk-second"):
        secret.write_text(f"{key}\n")
        assert key_of(file) == key
    file.write_text(FROM_FILE.replace("keys/openai", str(secret)))
    assert key_of(file) == "sk-second"


def test_a_byte_order_mark_is_no_part_of_a_secret(tmp_path: Path) -> None:
    file = tmp_path / "callgate.toml"
    file.write_text(FROM_FILE.replace("keys/openai", "key"))
    (tmp_path / "key").write_bytes(b"\xef\xbb\xbfsk-first\r\n")
    assert key_of(file) == "sk-first"


def test_what_is_read_from_files_is_not_read_again_for_references(tmp_path: Path) -> None:
    file = tmp_path / "callgate.toml"
    file.write_text(FROM_FILE.replace("keys/openai", "key"))
    (tmp_path / "key").write_text("${HOME}-${file:key}")
    assert key_of(file) == "${HOME}-${file:key}"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file or directory"),
        (b"sk-\xff", "it is not UTF-8"),
        (b"x" * 65_537, "it is larger than 64 KiB"),
        (b" \r\n", "it is empty"),
    ],
    ids=["absent", "bytes", "large", "empty"],
)
def test_a_file_that_holds_no_secret_is_named_and_only_serving_needs_it(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    file, secret = tmp_path / "callgate.toml", tmp_path / "key"
    file.write_text(FROM_FILE.replace("keys/openai", "key"))
    if content is not None:
        secret.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert caught.value.mistakes == [
        f"providers.openai.api_key: the file {secret} cannot be read: {why}"
    ]
    assert load(file, {}, secrets=False).models


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    file, pipe = tmp_path / "callgate.toml", tmp_path / "key"
    file.write_text(FROM_FILE.replace("keys/openai", "key"))
    os.mkfifo(pipe)
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert caught.value.mistakes == [
        f"providers.openai.api_key: the file {pipe} cannot be read: it is not a regular file"
    ]


@pytest.mark.parametrize("reference", ["${file:}", "${file:a", "${file}x ${", "${fil:/a}"])
def test_what_is_no_reference_is_told_without_what_follows(tmp_path: Path, reference: str) -> None:
    file = tmp_path / "callgate.toml"
    file.write_text(FROM_FILE.replace("${file:keys/openai}", reference))
    with pytest.raises(ConfigError) as caught:
        load(file, {"file": "x"})
    (told,) = caught.value.mistakes
    assert told.startswith(
        "providers.openai.api_key: holds `${` without a variable's name, or `file"
    )
