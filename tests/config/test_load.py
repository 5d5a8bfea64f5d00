"""From a TOML file and the environment to a configuration, or to every mistake in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from callgate.config import ConfigError, load
from callgate.core.price import Price
from callgate.core.target import Target
from callgate.engine.pricebook import PriceBook
from callgate.errors import GatewayError
from configured import ENVIRON, LOCAL_VENDOR, OPENAI, loaded, mistakes


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("region = 5", ["region: expected a string"]),
        ("region = 'US!'", ["region: "]),
        ("regoin = 'us'", ["regoin: no such setting; did you mean 'region'?"]),
        ("[server]\nport = 70000", ["server.port: "]),
        ("[server]\nport = '8080'", ["server.port: expected an integer"]),
        ("[server]\nworkers = 0", ["server.workers: "]),
        ("[server]\ndrain = -1", ["server.drain: "]),
        ("[server]\ndrain = nan", ["server.drain: "]),
        ("[server]\ndrain = inf", ["server.drain: "]),
        ("[server]\nprot = 1", ["server.prot: no such setting; did you mean 'port'?"]),
        ("port = 1", ["port: no such setting; did you mean 'server.port'?"]),
        (
            "[server]\nretention_days = 1",
            ["it is known as 'store.retention_days' and as 'capture.retention_days'"],
        ),
        ("[support]\ndocs_url = 'docs'", ["support.docs_url: expected a URL that starts with"]),
        ("[support]\nstatus_url = 'ftp://x'", ["support.status_url: expected a URL"]),
        ("[region_endpoints]\neu = 'here'", ["region_endpoints.eu: expected a URL"]),
        ("[providers.opnai]\napi_key = 'x'", ["known vendor; did you mean 'openai'?"]),
        (OPENAI + "[models.m]\nprovider = 'opneai'", ["configured; did you mean 'openai'?"]),
        (OPENAI + "[models.'gpt-4.l']", ["not know this model; did you mean 'gpt-4.1'?"]),
        (
            OPENAI + "[models.'gpt-4.1']\nfallbacks = ['gpt-4.1-mimi']",
            ["known; did you mean 'gpt-4.1-mini'?"],
        ),
        ("server = 5", ["server: expected a table, got an integer"]),
        ("[[providers]]\nname = 'openai'", ["providers: expected a table, got an array"]),
        (
            "[provider.openai]\napi_key = 'x'",
            ["provider: no such setting; did you mean 'providers'?"],
        ),
        ("[stores]\nurl = 'x'", ["stores: no such setting; did you mean 'store'?"]),
        ("[store]\nretention_days = 0", ["store.retention_days: "]),
        ("[counters]\nurl = 'ftp://x'", ["counters.url: "]),
        ("[capture]\npayloads = 'some'", ["capture.payloads: "]),
        ("[providers.OpenAI]\napi_key = 'x'", ["known vendor; did you mean 'openai'?"]),
        (
            "[providers.us]\napi_key = 'x'",
            ["providers.us.dialect: needed", "; known are alibaba, "],
        ),
        ("[providers.mine]\nbase_url = 'http://x'", ["OpenAI's API it is 'openai'"]),
        (
            "[providers.openai]\napi_key = '$OPENAI_API_KEY'",
            ["providers.openai.api_key: is the name"],
        ),
        ("[providers.mine]\ndialect = 'klingon'", ["providers.mine.dialect: "]),
        ("[providers.openai]", ["providers.openai.api_key: needed"]),
        (LOCAL_VENDOR.replace("http:", "gopher:"), ["providers.mine.base_url: expected a URL"]),
        (LOCAL_VENDOR.replace("127", "u:p@127"), ["providers.mine.base_url: credentials"]),
        (LOCAL_VENDOR.replace("/v1", "/v1?a=b"), ["providers.mine.base_url: expected a URL"]),
        (LOCAL_VENDOR.replace("/v1", "/v1/chat/completions/"), ["leave out '/chat/completions'"]),
        (OPENAI + "[models.gpt-4.1]\nrate_limit = 5", ['in quotes: [models."gpt-4.1"]']),
        ("[providers.anthropic]\napi_key = 'x'\nresponses = true", ["anthropic.responses: only"]),
        (
            "[providers.azure]\napi_key = 'x'\nbase_url = 'https://a.example'\nresponses = true",
            ["providers.azure.responses: only for"],
        ),
        (LOCAL_VENDOR + "timeouts = { connect = 0 }", ["providers.mine.timeouts.connect: "]),
        (LOCAL_VENDOR + "timeouts = { conect = 1 }", ["did you mean 'connect'"]),
        ("[models.m]\nprovider = 'nix'", ["models.m.provider: no provider 'nix'"]),
        ("[models.my-own]\nrate_limit = 5", ["models.my-own.provider: needed"]),
        (OPENAI + "[models.'gpt-4.1']\nprovider = 'openai'\nrate_limit = 0", [".rate_limit: "]),
        (OPENAI + "[models.'gpt-4.1']\nprovider = 'openai'\nregions = ['U']", [".regions[0]: "]),
        (
            OPENAI + "[models.x]\ndeployments = [{upstream_model = 'a'}]",
            ["deployments[0].provider"],
        ),
        (
            OPENAI + "[models.x]\nprovider='openai'\ndeployments = [{provider = 'nix'}]",
            ["models.x.deployments[0]: no provider 'nix'"],
        ),
        (
            OPENAI + "[models.x]\nprovider = 'openai'\nfallbacks = ['gpt-4.1', 'nix', 'x']",
            [
                "models.x.fallbacks[1]: no model 'nix'",
                "models.x.fallbacks[2]: a model cannot be its own",
            ],
        ),
    ],
)
def test_every_mistake_is_named_by_its_key(tmp_path: Path, text: str, told: list[str]) -> None:
    found = mistakes(tmp_path, text)
    for words in told:
        assert any(words in line for line in found), found


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = (
        "region = 5\n[server]\nport = 'x'\nprot = 1\n[providers.openai]\napi_key = '${NOT_SET}'\n"
        "[models.m]\nprovider = 7\n"
    )
    found = "\n".join(mistakes(tmp_path, text))
    for key in ("region:", "server.port:", "server.prot:", "NOT_SET", "models.m.provider:"):
        assert key in found


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[server\n", "is not TOML"),
        (b"a = 1\na = 2\n", "is not TOML"),
        (b"\xff\xfe", "is not UTF-8, as TOML has to be: byte 1 is 0xff"),
        (b"#" * (4 * 2**20 + 1), "larger than 4 MiB"),
    ],
)
def test_files_that_are_no_configuration(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "callgate.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        load(tmp_path / "callgate.toml", {})


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.toml"):
        with pytest.raises(ConfigError, match="cannot be read"):
            load(path, {})


def test_a_model_of_the_catalogue_needs_no_words(tmp_path: Path) -> None:
    model = loaded(tmp_path, OPENAI).models["gpt-4.1"]
    assert model.context_length > 1_000_000
    assert model.rate_limit == 30
    assert model.deployments[0].upstream_model == "gpt-4.1"
    assert model.deployments[0].secret.reveal() == ENVIRON["OPENAI_API_KEY"]
    assert ENVIRON["OPENAI_API_KEY"] not in repr(model)


def test_an_entry_overrides_the_catalogue_field_by_field(tmp_path: Path) -> None:
    plain = loaded(tmp_path, OPENAI).models["gpt-4.1"]
    text = OPENAI + LOCAL_VENDOR + (
        "[models.'gpt-4.1']\nprovider = 'mine'\nupstream_model = 'ours'\nrate_limit = 7\n"
        "max_output_tokens = 99\n"
    )  # fmt: skip
    changed = loaded(tmp_path, text).models["gpt-4.1"]
    assert (changed.rate_limit, changed.max_output_tokens) == (7, 99)
    assert changed.context_length == plain.context_length
    assert changed.description == plain.description
    assert [(one.provider, one.upstream_model) for one in changed.deployments] == [("mine", "ours")]


def test_without_the_catalogue_only_the_file_counts(tmp_path: Path) -> None:
    text = "catalogue = false\n" + OPENAI + "[models.m]\nprovider = 'openai'\n"
    assert list(loaded(tmp_path, text).models) == ["m"]


def test_regions_decide_what_is_served(tmp_path: Path) -> None:
    text = OPENAI + (
        "[models.here]\nprovider = 'openai'\n[models.there]\nprovider = 'openai'\n"
        "regions = ['eu']\n[region_endpoints]\neu = 'https://eu.example'\n"
    )
    config = loaded(tmp_path, text)
    assert "here" in config.models
    with pytest.raises(GatewayError, match=r"eu \(https://eu\.example\)"):
        config.directory.find("there")
    abroad = loaded(tmp_path, "region = 'eu'\n" + text.replace("eu = 'h", "us = 'h"))
    assert {"here", "there"} <= set(abroad.models)


def test_what_is_retired_is_told_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    config = loaded(tmp_path, OPENAI)
    with pytest.raises(GatewayError) as caught:
        config.directory.find("gpt-4-32k")
    assert caught.value.kind.type == "model_retired"
    kept = loaded(tmp_path, OPENAI + "[models.gpt-4-32k]\nprovider = 'openai'\n")
    assert "gpt-4-32k" in kept.models
    past = "[models.mine]\nprovider = 'openai'\nretirement_date = 2020-01-01\nsuccessor = 'new'\n"
    with pytest.raises(GatewayError, match="'new'"):
        loaded(tmp_path, OPENAI + past).directory.find("mine")


def test_several_ways_to_a_model(tmp_path: Path) -> None:
    text = OPENAI + LOCAL_VENDOR + (
        "[models.m]\ndeployments = [{provider = 'openai', weight = 3},"
        " {provider = 'mine', upstream_model = 'u', weight = 0.5}]\n"
    )  # fmt: skip
    found = loaded(tmp_path, text).models["m"].deployments
    assert [(one.id, one.weight) for one in found] == [("openai/m", 3.0), ("mine/u", 0.5)]
    assert found[1].vendor.auth == "none"  # no key was given


def test_a_second_account_with_google_cloud_fetches_its_token(tmp_path: Path) -> None:
    text = (
        "[providers.second]\ndialect = 'vertex'\nproject = 'p'\n"
        "base_url = 'https://aiplatform.googleapis.com/v1'\n"
        "[models.m]\nprovider = 'second'\nupstream_model = 'claude-opus-5'\n"
    )
    (found,) = loaded(tmp_path, text).models["m"].deployments
    assert (found.vendor.auth, found.vendor.dialect) == ("google", "vertex")


@pytest.mark.parametrize(
    "provider",
    ["vertex]", "mine]\ndialect = 'vertex'\nbase_url = 'https://aiplatform.googleapis.com/v1'"],
)
def test_google_cloud_with_a_key_of_its_own_fetches_none(tmp_path: Path, provider: str) -> None:
    name = provider.partition("]")[0]
    text = (
        f"[providers.{provider}\napi_key = 'AIzaX'\n"
        f"[models.m]\nprovider = '{name}'\nupstream_model = 'gemini-3-pro'\n"
    )
    (found,) = loaded(tmp_path, text).models["m"].deployments
    assert found.vendor.auth == "x-goog-api-key"


_AZURE = "dialect = 'azure'\nbase_url = 'https://a.openai.azure.com"


@pytest.mark.parametrize(
    ("provider", "responses"),
    [
        ("[providers.openai]", True),
        ("[providers.openai]\nresponses = false", False),
        ("[providers.openai]\nbase_url = 'https://eu.api.openai.com/v1'", True),
        ("[providers.openai]\nbase_url = 'https://proxy.example/v1'", False),
        ("[providers.openai]\nbase_url = 'https://proxy.example/v1'\nresponses = true", True),
        ("[providers.openai]\nbase_url = 'https://notapi.openai.com/v1'", False),
        ("[providers.us]\ndialect = 'openai'\nbase_url = 'https://us.api.openai.com/v1'", True),
        (f"[providers.azure]\n{_AZURE}/openai/v1'", True),
        (f"[providers.azure]\n{_AZURE}'", False),
        (f"[providers.mine]\n{_AZURE}/openai/v1'", True),
        ("[providers.groq]", False),
        ("[providers.anthropic]", False),
    ],
)
def test_openais_responses_api_is_used_at_openai_and_azure(
    tmp_path: Path, provider: str, *, responses: bool
) -> None:
    name = provider.partition(".")[2].partition("]")[0]
    text = f"{provider}\napi_key = 'x'\n[models.m]\nprovider = '{name}'\n"
    (found,) = loaded(tmp_path, text).models["m"].deployments
    assert found.vendor.responses is responses


def test_relative_paths_start_at_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "data_dir = 'data'\n[store]\nurl = 'sqlite:///sub/x.db'\n" + OPENAI
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")
    config = loaded(tmp_path, text)
    assert config.data_dir == tmp_path / "data"
    assert config.store_url == f"sqlite:///{tmp_path / 'sub/x.db'}"


@pytest.mark.parametrize("url", ["sqlite:///", "sqlite:///:memory:"])
def test_a_store_that_is_no_file_stays_none(url: str, tmp_path: Path) -> None:
    file = tmp_path / "callgate.toml"
    file.write_text(f'[store]\nurl = "{url}"\n')
    assert load(file, {}).store_url == url  # which opening it refuses


def test_a_price_takes_the_place_of_the_list_s_and_a_factor_goes_with_its_provider(
    tmp_path: Path,
) -> None:
    file = tmp_path / "callgate.toml"
    file.write_text(
        """
        [providers.openai]
        api_key = "sk-1"
        price_factor = 1.1
        [models."gpt-4.1".price]
        input = 2
        output = 8.5
        tiers.flex = { input = 1 }
        longer.272000 = { input = 4 }
        longer.32000 = { input = 3, web_search = 5 }
        [models."gpt-4o"]
        """
    )
    models = load(file, {}).models
    price = models["gpt-4.1"].price
    assert price == Price(
        input=2,
        output=8.5,
        tiered=True,
        longer={
            32000: Price(input=3, output=8.5, web_search=5),
            272000: Price(input=4, output=8.5),
        },
        tiers={"flex": Price(input=1, output=8.5)},
    )
    assert list(price.longer) == [32000, 272000]
    assert models["gpt-4o"].price is None
    book = PriceBook()
    listed = Target(models["gpt-4o"], models["gpt-4o"].deployments[0])
    own = Target(models["gpt-4.1"], models["gpt-4.1"].deployments[0])
    assert book.price(listed) is None
    assert book.price(own) == models["gpt-4.1"].price
    book.load({("openai", "gpt-4o"): Price(input=10, output=20)})
    assert book.price(listed) == Price(input=11, output=22)
    assert book.price(own) == models["gpt-4.1"].price


def test_a_configuration_that_has_a_bit_of_everything(tmp_path: Path) -> None:
    text = """
region = "us"
[region_endpoints]
eu = "https://llm-gateway.eu.example.com"
[server]
host = "127.0.0.1"
port = 8080
workers = 1
[store]
url = "sqlite:///callgate-data/callgate.db"
[counters]
url = "memory:"
[support]
contact = "support@example.com"
status_url = "https://status.example.com"
[capture]
payloads = "none"
[providers.openai]
dialect = "openai"
base_url = "https://api.openai.com/v1"
api_key = "${OPENAI_API_KEY}"
[models."gpt-4.1"]
provider = "openai"
upstream_model = "gpt-4.1"
context_length = 1047576
max_output_tokens = 32768
regions = ["us"]
rate_limit = 30
"""
    config = loaded(tmp_path, text)
    model = config.models["gpt-4.1"]
    (deployment,) = model.deployments
    assert (model.context_length, model.max_output_tokens, model.rate_limit) == (
        1047576, 32768, 30,
    )  # fmt: skip
    assert deployment.secret.reveal() == ENVIRON["OPENAI_API_KEY"]
    assert config.store_url.endswith("callgate-data/callgate.db")


@pytest.mark.parametrize(
    ("table", "place"),
    [
        ("provider = 'nix'", "provider"),
        ("deployments = [{provider = 'nix'}]", "deployments[0]"),
        ("provider = 'mine'\ndeployments = [{provider = 'nix'}]", "deployments[0]"),
        ("deployments = [{provider = 'mine'}, {provider = 'nix'}]", "deployments[1]"),
    ],
)
def test_a_provider_that_is_missing_is_named_with_its_place(
    tmp_path: Path, table: str, place: str
) -> None:
    told = mistakes(tmp_path, f"{LOCAL_VENDOR}[models.m]\n{table}\n")
    assert told == [f"models.m.{place}: no provider 'nix' is configured"]


WORLDWIDE = """
[providers.openai]
api_key = "sk-1"
[[models.m.deployments]]
provider = "openai"
upstream_model = "a"
worldwide = true
"""


def test_a_worldwide_deployment_needs_another_beside_it(tmp_path: Path) -> None:
    (mistake,) = mistakes(tmp_path, WORLDWIDE)
    assert mistake.startswith("models.m.deployments: all are `worldwide`")
    beside = '[[models.m.deployments]]\nprovider = "openai"\nupstream_model = "b"\n'
    model = loaded(tmp_path, WORLDWIDE + beside).models["m"]
    assert model.worldwide
    assert [one.worldwide for one in model.deployments] == [True, False]


def test_a_mark_at_the_beginning_of_the_file_is_no_part_of_it(tmp_path: Path) -> None:
    assert loaded(tmp_path, "\ufeff" + OPENAI).models


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('data_dir = "${NOWHERE}"', "data_dir"),
        ('region = "${NOWHERE}"', "region"),
        ('[store]\nurl = "${NOWHERE}"', "store.url"),
        ('[counters]\nurl = "${NOWHERE}"', "counters.url"),
        ('[capture]\npayloads = "${NOWHERE}"', "capture.payloads"),
        (LOCAL_VENDOR.replace("http://127.0.0.1:9", "${NOWHERE}"), "providers.mine.base_url"),
        (OPENAI + '[models.m]\nprovider = "${NOWHERE}"', "models.m.provider"),
    ],
)
def test_who_needs_no_secrets_is_told_of_a_variable_that_is_needed_all_the_same(
    tmp_path: Path, text: str, key: str
) -> None:
    file = tmp_path / "callgate.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, {}, secrets=False)
    assert caught.value.mistakes == [f"{key}: the environment variable NOWHERE is not set"]
