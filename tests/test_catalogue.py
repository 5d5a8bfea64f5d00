"""The catalogue of well-known models: the file and its loader."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from importlib.resources import files

import msgspec
import pytest

from callgate.catalogue import Catalogue, load
from callgate.core.chat import ChatBody

AS_OF = date(2026, 11, 24)
TEXT = files("callgate").joinpath("catalogue.toml").read_text(encoding="utf-8")
CATALOGUE = load()
LIVE = {name: entry for name, entry in CATALOGUE.items() if entry.upstream}
CREATORS = {
    "OpenAI", "Anthropic", "Google", "Amazon", "Meta", "Mistral", "DeepSeek", "Qwen",
    "Moonshot AI", "Z.ai", "xAI",
}  # fmt: skip
MODALITIES = {"text", "image", "audio", "video", "file"}

SMALL = """
[parameters]
few = ["tools", "seed"]
[regions]
near = ["us", "eu"]
far = ["us"]
[[retired]]
date = 2024-02-01
successor = "new"
models = ["old"]
[models."new"]
name = "New"
description = "It is new."
creator = "Somebody"
created = 2025-01-02
parameters = "few"
upstream = { near = "{region}.new-1", far = "org/new" }
[models."other/one"]
name = "Other"
description = "It is other."
creator = "Somebody"
regions = { near = ["eu"] }
upstream = { near = "other" }
"""


def test_every_entry_is_found_as_toml_finds_it() -> None:
    whole = tomllib.loads(TEXT)
    retired = [name for row in whole["retired"] for name in row["models"]]
    assert list(CATALOGUE) == [*whole["models"], *retired]
    assert len(CATALOGUE) == len(set(CATALOGUE))
    for name, row in whole["models"].items():
        entry = CATALOGUE[name]
        assert entry.display_name == row["name"]
        assert entry.upstream == row["upstream"]
        assert entry.context_length == row.get("context_length", 0)


def test_it_covers_the_creators_that_people_ask_for() -> None:
    assert len(LIVE) >= 100
    assert {entry.creator for entry in LIVE.values()} >= CREATORS
    assert "smollm2-135m-instruct" in CATALOGUE.of(["local"])


@pytest.mark.parametrize("name", LIVE)
def test_a_live_model_is_described_soundly(name: str) -> None:
    entry = LIVE[name]
    assert entry.display_name
    assert re.fullmatch(r"[A-Z][^\n]{8,90}\.", entry.description)
    if entry.context_length:
        assert entry.max_output_tokens <= entry.context_length
    assert {*entry.input_modalities, *entry.output_modalities} <= MODALITIES
    assert "text" in entry.input_modalities
    assert set(entry.supported_parameters) <= {
        field.name for field in msgspec.structs.fields(ChatBody)
    }
    assert 0 <= entry.created < 1_795_392_000  # before AS_OF
    assert not entry.retired(AS_OF)
    assert entry.regions
    for region in entry.regions:
        for upstream in entry.upstream_in(region).values():
            assert upstream
            assert not set(upstream) & set("{} ")


@pytest.mark.parametrize("name", [name for name, entry in CATALOGUE.items() if entry.successor])
def test_a_successor_can_be_called(name: str) -> None:
    successor = CATALOGUE[name].successor
    assert successor is not None
    assert successor in LIVE
    assert LIVE[successor].successor is None


def test_retired_models_are_known_by_date_and_successor() -> None:
    retired = CATALOGUE.retired()
    assert all(entry.retired(AS_OF) and not entry.upstream for entry in retired.values())
    for name in (
        "gpt-4-32k",
        "gpt-3.5-turbo-0613",
        "claude-2",
        "claude-instant-1",
        "gemini-1.0-pro",
    ):
        assert retired[name].successor in LIVE, name
    assert retired["claude-2.1"].retirement_date == date(2025, 7, 21)


def test_a_model_retires_on_its_day() -> None:
    entry = CATALOGUE["gpt-4.1"]
    assert not entry.retired(date(2027, 1, 13))
    assert entry.retired(date(2027, 1, 14))


def test_the_same_model_is_known_by_the_id_of_each_provider() -> None:
    assert CATALOGUE["claude-opus-4-5"].upstream_in("eu") == {
        "bedrock": "eu.anthropic.claude-opus-4-5-20251101-v1:0",
        "vertex": "claude-opus-4-5@20251101",
    }
    assert CATALOGUE["claude-opus-4-5"].upstream_in("us")["anthropic"] == "claude-opus-4-5-20251101"
    assert CATALOGUE["claude-opus-4-5"].upstream_in("mars") == {}


@pytest.mark.parametrize("providers", [["openai"], ["local", "groq"], ["open"], []])
def test_of_finds_what_any_of_the_providers_serves(providers: list[str]) -> None:
    wanted = {name for name, entry in LIVE.items() if set(entry.upstream) & set(providers)}
    assert set(CATALOGUE.of(providers)) == wanted
    assert bool(wanted) == (providers not in ([], ["open"]))


@pytest.mark.parametrize(
    "name", [name for name in LIVE if re.match(r"gemini-(?:3\.5-flash-lite|3\.[6-9]|[4-9])", name)]
)
def test_what_google_takes_and_ignores_is_none_of_a_models_parameters(name: str) -> None:
    supported = LIVE[name].supported_parameters
    assert "tools" in supported
    assert not {"temperature", "top_p", "top_k"} & set(supported)


@pytest.mark.parametrize(
    ("name", "creator"),
    [
        ("gemini-3.5-flash", "gemini"),
        ("gemini-3.7-flash", "gemini"),
        ("deepseek-v4-flash", "deepseek"),
    ],
)
def test_a_name_that_another_model_answers_is_not_asked_for_there(name: str, creator: str) -> None:
    assert creator not in LIVE[name].upstream


def test_an_entry_resolves_what_it_shares_with_others() -> None:
    catalogue = Catalogue(SMALL)
    entry = catalogue["new"]
    assert entry.created == 1_735_776_000
    assert entry.supported_parameters == ("tools", "seed")
    assert entry.served == {"us": ("near", "far"), "eu": ("near",)}
    assert entry.regions == ("us", "eu")
    assert entry.upstream_in("eu") == {"near": "eu.new-1"}
    assert catalogue["other/one"].regions == ("eu",)
    assert catalogue["old"].successor == "new"


def test_an_unknown_name_is_a_key_error() -> None:
    assert "gpt-99" not in CATALOGUE
    assert CATALOGUE.get("gpt-99") is None
    with pytest.raises(KeyError):
        CATALOGUE["gpt-99"]


@pytest.mark.parametrize("again", ['[models."new"]', '[models."old"]'])
def test_a_name_that_stands_twice_is_refused(again: str) -> None:
    row = 'name = "x"\ndescription = "x"\ncreator = "x"\nupstream = { near = "x" }\n'
    with pytest.raises(ValueError, match="twice"):
        Catalogue(f"{SMALL}{again}\n{row}")


def test_a_misspelt_key_is_refused_when_the_entry_is_read() -> None:
    catalogue = Catalogue(SMALL.replace("created =", "creatd ="))
    with pytest.raises(msgspec.ValidationError, match="creatd"):
        catalogue["new"]
