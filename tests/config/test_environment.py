"""What of a configuration comes from the environment: values, providers, proxies, authorities."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from callgate.config import ConfigError, load
from callgate.core.http import Origin
from callgate.world import upstream_settings
from configured import ENVIRON, LOCAL_VENDOR, OPENAI, loaded, mistakes


def test_variables_are_put_in_wherever_strings_stand(tmp_path: Path) -> None:
    text = (
        "[region_endpoints]\neu = 'https://${HOST}/${PATH_}'\n"
        "[providers.mine]\ndialect = 'openai'\nbase_url = 'http://${HOST}:81/v1'\n"
        "api_key = '$${literal} ${KEY}'\n[models.m]\nprovider = 'mine'\nregions = ['${REGION}']\n"
    )
    environ = {"HOST": "h.example", "PATH_": "a${KEY}", "KEY": "k", "REGION": "us", "literal": "l"}
    config = loaded(tmp_path, text, environ)
    assert config.settings.region_endpoints["eu"] == "https://h.example/a${KEY}"  # not twice
    (deployment,) = config.models["m"].deployments
    assert deployment.origin == Origin("http", "h.example", 81)
    assert deployment.secret.reveal().endswith(" k")
    assert config.models["m"].regions == ("us",)


def test_white_space_around_a_variable_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"OPENAI_API_KEY": " sk-from-a-file\r\n"}
    monkeypatch.chdir(tmp_path)
    for config in (load(None, environ), loaded(tmp_path, OPENAI, environ)):
        (deployment,) = config.models["gpt-4.1"].deployments
        assert deployment.secret.reveal() == "sk-from-a-file"


def test_a_credential_that_no_header_can_bear_is_told_and_not_shown(tmp_path: Path) -> None:
    (told,) = mistakes(tmp_path, "[providers.openai]\napi_key = 'sk-hid\u2026den'\n")
    assert told.endswith(
        "providers.openai.api_key: contains a character that is not allowed in HTTP headers"
    )


def test_a_variable_that_is_missing_is_named_and_no_secret_is_shown(tmp_path: Path) -> None:
    text = OPENAI + "base_url = 'ftp://${OPENAI_API_KEY}'\n[store]\nurl = '${DB}'\n"
    found = "\n".join(mistakes(tmp_path, text))
    assert "store.url: the environment variable DB is not set" in found
    assert ENVIRON["OPENAI_API_KEY"] not in found


@pytest.mark.parametrize("text", ["${OPENAI_API_KEY", "a${", "${}", "${1}", "${A:-sk-hid}"])
def test_a_variable_that_is_not_closed_is_named_with_its_place(tmp_path: Path, text: str) -> None:
    (told,) = mistakes(tmp_path, f"[providers.openai]\napi_key = '{text}'\n")
    assert "providers.openai.api_key: holds `${` without a variable's name, or `file:`" in told
    assert "sk-hid" not in told
    with pytest.raises(ConfigError):
        load(tmp_path / "callgate.toml", ENVIRON, secrets=False)


def test_records_can_be_looked_at_without_the_secrets(tmp_path: Path) -> None:
    file = tmp_path / "callgate.toml"
    file.write_text(OPENAI)
    assert load(file, {}, secrets=False).data_dir == tmp_path / "callgate-data"


def test_without_a_file_the_environment_alone_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load(None, ENVIRON)
    assert config.file is None
    assert config.data_dir == tmp_path / "callgate-data"
    assert "gpt-4.1" in config.models
    assert "gpt-4.1" not in load(None, {"OPENAI_API_KEY": ""}).models
    (tmp_path / "callgate.toml").write_text("catalogue = false")
    assert load(None, ENVIRON).file == tmp_path / "callgate.toml"


@pytest.mark.parametrize(
    ("environ", "target", "proxy"),
    [
        ({"HTTPS_PROXY": "http://p:1"}, Origin("https", "a.example", 443), ("p", 1)),
        ({"https_proxy": "http://p:1"}, Origin("https", "a.example", 443), ("p", 1)),
        ({"HTTP_PROXY": "http://p:1"}, Origin("http", "a.example", 80), None),  # CGI's header
        ({"http_proxy": "http://p:1"}, Origin("http", "a.example", 80), ("p", 1)),
        ({"ALL_PROXY": "http://p"}, Origin("https", "a.example", 443), ("p", 80)),
        ({"ALL_PROXY": "http://p", "NO_PROXY": "*"}, Origin("https", "a.example", 443), None),
        (
            {"ALL_PROXY": "http://p", "NO_PROXY": "x.example,.example"},
            Origin("https", "a.example", 443), None,
        ),
    ],
)  # fmt: skip
def test_proxies_come_from_the_environment(
    tmp_path: Path, environ: dict[str, str], target: Origin, proxy: tuple[str, int] | None
) -> None:
    found = loaded(tmp_path, OPENAI, {**ENVIRON, **environ}).network.proxies.find(target)
    assert (None if found is None else (found.origin.host, found.origin.port)) == proxy


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST."])
@pytest.mark.parametrize("no", ["", "x.example", "x.example,"])
def test_no_proxy_is_asked_for_what_is_on_this_machine(tmp_path: Path, host: str, no: str) -> None:
    environ = {**ENVIRON, "ALL_PROXY": "http://p", "NO_PROXY": no}
    proxies = loaded(tmp_path, OPENAI, environ).network.proxies
    assert proxies.find(Origin("http", host, 8000)) is None
    assert proxies.find(Origin("https", host, 443)) is None
    assert proxies.find(Origin("https", "127.0.0.1.example", 443)) is not None


def test_a_proxy_that_is_none_is_told_without_its_password(tmp_path: Path) -> None:
    (tmp_path / "callgate.toml").write_text(OPENAI)
    for url in ("socks5://u:hidden-word@p:1", "http://u:hidden-word@p:port"):
        with pytest.raises(ConfigError, match="ALL_PROXY") as caught:
            load(tmp_path / "callgate.toml", {**ENVIRON, "HTTPS_PROXY": url})
        assert "hidden-word" not in str(caught.value)


def test_a_private_authority_goes_with_its_provider(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "own.pem"))
    own = LOCAL_VENDOR + 'ca_file = "own.pem"\n'
    config = loaded(tmp_path, OPENAI + own)
    origin = Origin("http", "127.0.0.1", 9)
    assert upstream_settings(config).authorities == {origin: str(tmp_path.resolve() / "own.pem")}


def test_certificates_come_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "a.pem").touch()
    environ = {**ENVIRON, "SSL_CERT_FILE": str(tmp_path / "a.pem"), "SSL_CERT_DIR": ""}
    network = loaded(tmp_path, OPENAI, environ).network
    assert (network.ca_file, network.ca_dir) == (str(tmp_path / "a.pem"), None)


@pytest.mark.parametrize(
    ("name", "told"), [("SSL_CERT_FILE", "cannot be read"), ("SSL_CERT_DIR", "is not a folder")]
)
def test_certificate_authorities_that_are_missing_stop_who_needs_them(
    tmp_path: Path, name: str, told: str
) -> None:
    environ = {**ENVIRON, name: str(tmp_path / "none")}
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, OPENAI, environ)
    assert str(caught.value) == f"environment: {name}: {tmp_path / 'none'} {told}"
    assert load(tmp_path / "callgate.toml", environ, secrets=False).models
    assert loaded(tmp_path, LOCAL_VENDOR + "[models.m]\nprovider = 'mine'", environ).models


def test_a_provider_s_own_authority_that_is_missing_stops_the_start(tmp_path: Path) -> None:
    text = f'{OPENAI}ca_file = "own.pem"\n'
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    (told,) = caught.value.mistakes
    assert (
        told
        == f"providers.openai.ca_file: the file {tmp_path.resolve() / 'own.pem'} cannot be read"
    )
    assert load(tmp_path / "callgate.toml", ENVIRON, secrets=False).models
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "own.pem"))
    assert loaded(tmp_path, text).models


@pytest.mark.parametrize(
    "content", ["", "not a certificate", "-----BEGIN CERTIFICATE-----\nMIIB\n"]
)
def test_an_own_authority_that_is_none_stops_the_start(tmp_path: Path, content: str) -> None:
    (tmp_path / "own.pem").write_text(content)
    with pytest.raises(ConfigError, match=r"own\.pem contains no valid certificate in PEM format"):
        loaded(tmp_path, f'{OPENAI}ca_file = "own.pem"\n')


def test_a_mistake_in_the_environment_is_not_laid_at_the_files_door(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="environment: proxy variables"):
        loaded(tmp_path, OPENAI, {**ENVIRON, "HTTPS_PROXY": "socks5://127.0.0.1:1"})
