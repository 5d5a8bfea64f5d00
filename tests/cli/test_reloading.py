"""A running gateway's configuration, read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from callgate.cli.reloading import Reloading
from callgate.config import load
from callgate.core.secret import Secret
from callgate.server.supervisor import ReloadError

MODEL = '[models.m]\nprovider = "mine"\n'
MINE = '[providers.mine]\ndialect = "openai"\nbase_url = "https://x.example"\napi_key = "{}"\n'
SERVING = MINE.format("sk-first") + MODEL


class Running:
    """A gateway as far as a reload is concerned; `masked` is what its log was last told to."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.file = folder / "callgate.toml"
        self.masked: list[str] = []
        self.given: Mapping[str, object | None] = {}
        monkeypatch.setattr("callgate.server.logs.set_up", self._mask)

    def start(self, text: str = SERVING) -> Reloading:
        self.file.write_text(text)
        return Reloading(load(self.file, {}), lambda: load(self.file, {}), self.given, None)

    def _mask(self, secrets: Sequence[Secret]) -> None:
        self.masked = [one.reveal() for one in secrets]


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Running:
    return Running(tmp_path, monkeypatch)


def test_a_new_key_is_used_and_kept_out_of_the_log(running: Running) -> None:
    reloading = running.start()
    running.file.write_text(MINE.format("sk-second") + MODEL)
    fresh = reloading.again()
    (deployment,) = fresh.models["m"].deployments
    assert deployment.secret.reveal() == "sk-second"
    assert running.masked == ["sk-second"]
    assert reloading.config is fresh


def test_the_command_line_outweighs_the_file_again(running: Running) -> None:
    running.given = {"host": None, "workers": 3}
    reloading = running.start()
    running.file.write_text("[server]\nworkers = 2\ndrain = 7\n" + SERVING)
    server = reloading.again().settings.server
    assert (server.workers, server.drain) == (3, 7)


def test_a_file_behind_links_is_read_where_they_lead_now(running: Running, tmp_path: Path) -> None:
    """As Kubernetes mounts it: https://kubernetes.io/docs/concepts/configuration/configmap/."""
    for name, text in (("one", SERVING), ("two", SERVING.replace("models.m", "models.n"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "callgate.toml").write_text(
            f'data_dir = "{tmp_path}/callgate-data"\n{text}'
        )
    (tmp_path / "data").symlink_to("one")
    running.file.symlink_to("data/callgate.toml")
    config = load(running.file, {})
    reloading = Reloading(config, lambda: load(config.file, {}), {}, None)
    (tmp_path / "data").unlink()
    (tmp_path / "data").symlink_to("two")
    (tmp_path / "one" / "callgate.toml").unlink()
    assert list(reloading.again().models) == ["n"]


def test_a_link_that_now_leads_to_another_data_folder_needs_a_restart(
    running: Running, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "callgate.toml").write_text(SERVING)
    running.file.symlink_to("one/callgate.toml")
    config = load(running.file, {})
    reloading = Reloading(config, lambda: load(config.file, {}), {}, None)
    running.file.unlink()
    running.file.symlink_to("two/callgate.toml")
    with pytest.raises(ReloadError, match="a change of data_dir needs a restart"):
        reloading.again()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[server]\nworkers = 'two'\n" + SERVING, "server.workers"),
        ("region = 'eu'\n[server]\nport = 81\n" + SERVING, "a change of region, server.port needs"),
        ("data_dir = 'elsewhere'\n" + SERVING, "a change of data_dir needs a restart"),
        (MINE.format("k"), "no model can be served"),
        (
            SERVING + "[providers.local]\ndialect = 'local'\nweights = 'other.gguf'\n",
            "a change of the local model or its weights needs a restart",
        ),
        (SERVING + "[counters]\nurl = 'redis://127.0.0.1:1/none'\n", "counters.url"),
        (SERVING + "[store]\nurl = 'sqlite:////proc/none/x.db'\n", "cannot open the store"),
    ],
    ids=["mistake", "fixed", "folder", "no-model", "local", "counters", "store"],
)
def test_what_cannot_be_used_is_refused_and_changes_nothing(
    running: Running, text: str, told: str
) -> None:
    reloading = running.start()
    before = reloading.config
    running.file.write_text(text)
    with pytest.raises(ReloadError, match=told):
        reloading.again()
    assert reloading.config is before
    assert running.masked == []
