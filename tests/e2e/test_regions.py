"""The European Union and the United States side by side: nothing of one reaches the other."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest

import provider as providers
from callgate.store.base import Query
from callgate.store.opening import open_store
from gateway import Gateway, serving, until
from patience import PATIENCE
from provider import Provider
from sockets import Open, seen

pytestmark = pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="needs Linux")

CHAT = "/v1/chat/completions"
CONFIG = """
region = "{region}"
[region_endpoints]
{other} = "https://{other}.example.org"
[server]
drain = 2
access_log = true
[capture]
payloads = "all"
[providers.local-one]
dialect = "openai"
base_url = "{base_url}"
api_key = "sk-of-{region}"
[models."test-ok"]
provider = "local-one"
rate_limit = 100000
[models."test-paused"]
provider = "local-one"
rate_limit = 100000
[models."only-{other}"]
provider = "local-one"
regions = ["{other}"]
"""
STREAMS = 5


class Side:
    """One region: its provider and its gateway. `ports` and `files` gather what was seen open."""

    def __init__(self, region: str, gateway: Gateway, provider: Provider) -> None:
        self.region = region
        self.gateway = gateway
        self.provider = provider
        self.marker = f"prompt-of-{region}-violet-heron"
        self.stray = f"prompt-astray-in-{region}-grey-otter"
        self.open = Open(set(), set())

    def look(self) -> None:
        now = seen(self.gateway.process.pid)
        self.open.ports.update(now.ports)
        self.open.files.update(now.files)

    def holds(self, marker: str) -> list[str]:
        """Where a marker stands: in which files, or in what the provider has received."""
        wanted = marker.encode()
        places = [
            str(path)
            for path in self.gateway.folder.rglob("*")
            if path.is_file() and wanted in content(path)
        ]
        places += ["the provider"] if wanted in self.provider.received else []
        return places + (["the log"] if marker in self.gateway.log else [])

    def ids(self) -> set[str]:
        """Every request on record here, once all are shipped."""
        url = f"sqlite:///{self.gateway.folder / 'callgate-data' / 'callgate.db'}"
        with closing(open_store(url)) as store:
            return {record.request_id for record in store.requests.find(Query(limit=1000))}


def content(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


@contextmanager
def side(region: str, other: str, folder: Path) -> Iterator[Side]:
    folder.mkdir()
    with providers.running() as provider:
        text = CONFIG.format(region=region, other=other, base_url=provider.base_url)
        (folder / "callgate.toml").write_text(text)
        with serving(folder) as gateway:
            yield Side(region, gateway, provider)


@contextmanager
def watched(*sides: Side) -> Iterator[None]:
    """Look at every socket and file of both gateways, over and over."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            for each in sides:
                each.look()

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        try:
            yield
        finally:
            over.set()
            looking.result()


def ask(client: httpx.Client, prompt: str, **more: object) -> httpx.Response:
    return client.post(CHAT, json={"model": "test-ok", "prompt": prompt, **more})


def work(here: Side, there: Side) -> set[str]:
    """Requests that bear this side's marker, and some that come to the wrong side; the ids."""
    ids: set[str] = set()
    with here.gateway.client() as client:
        for stream in (False, True) * 5:
            answer = ask(client, here.marker, stream=stream)
            assert answer.status_code == 200
            ids.add(answer.headers["x-request-id"])
        for wrong in ({"model": f"only-{there.region}"}, {"model_region": there.region}):
            answer = ask(client, here.marker, **wrong)
            assert answer.status_code in (400, 404), answer.text
            assert answer.json()["error"]["type"] in ("model_not_in_region", "invalid_field")
            ids.add(answer.headers["x-request-id"])
    # A key of the other region is refused before the prompt is looked at, with the right address.
    with here.gateway.client(there.gateway.key) as client:
        for stream in (False, True):
            answer = ask(client, here.stray, stream=stream)
            error = answer.json()["error"]
            assert (answer.status_code, error["type"]) == (403, "wrong_region_key")
            assert f"https://{there.region}.example.org" in error["metadata"]["fix"]
            ids.add(answer.headers["x-request-id"])
    return ids


def test_no_byte_of_one_region_reaches_the_other(tmp_path: Path) -> None:
    with ExitStack() as stack:
        eu = stack.enter_context(side("eu", "us", tmp_path / "eu"))
        us = stack.enter_context(side("us", "eu", tmp_path / "us"))
        stack.enter_context(watched(eu, us))
        ids: dict[str, set[str]] = {}
        with ThreadPoolExecutor(2 * STREAMS) as pool:
            held = []
            for each in (eu, us):
                client = stack.enter_context(each.gateway.client())
                asked = {"model": "test-paused", "prompt": each.marker, "stream": True}
                held += [pool.submit(client.post, CHAT, json=asked) for _ in range(STREAMS)]
            until(lambda: all(len(each.provider.requests) >= STREAMS for each in (eu, us)))
            ids = {here.region: work(here, there) for here, there in ((eu, us), (us, eu))}
            for each in (eu, us):
                each.look()  # with streams still held open
                each.provider.go_on.set()
            for at, answer in enumerate(held):
                assert answer.result().text.endswith("data: [DONE]\n\n")
                ids[("eu", "us")[at // STREAMS]].add(answer.result().headers["x-request-id"])
            for each in (eu, us):
                assert httpx.get(f"{each.gateway.url}/metrics", timeout=PATIENCE).status_code == 200
        until(lambda: eu.ids() >= ids["eu"] and us.ids() >= ids["us"])
        until(lambda: all(len(captures(each)) >= 15 for each in (eu, us)))
        assert_apart(eu, us, ids)
    # What the end of the gateways has written counts too.
    assert_apart(eu, us, ids)


def captures(here: Side) -> list[Path]:
    return list(here.gateway.folder.rglob("*.capture"))


def assert_apart(eu: Side, us: Side, ids: dict[str, set[str]]) -> None:
    for here, there in ((eu, us), (us, eu)):
        # Each side has its own: else a search that finds nothing would prove nothing.
        assert "the provider" in here.holds(here.marker)
        assert any(place.endswith(".capture") for place in here.holds(here.marker))
        assert here.holds(there.marker) == []
        assert here.holds(here.stray) == here.holds(there.stray) == []
        assert here.ids() >= ids[here.region]
        assert not here.ids() & there.ids()
        assert here.open.ports == {here.provider.port}
        assert any(path.name.startswith("callgate.db") for path in here.open.files)
        for path in here.open.files:
            assert path.is_relative_to(here.gateway.folder), path
