"""`deploy/nginx.conf` in a real nginx, before a gateway that answers and one that is gone."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import trustme

import provider as providers
from gateway import Gateway, serving, until, write_config
from provider import Provider

CONFIG = Path(__file__).parents[2] / "deploy/nginx.conf"
NGINX, CALLER = "127.0.0.2", "127.0.0.7"
CHAT = "/v1/chat/completions"

pytestmark = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not on the PATH")


class Front(NamedTuple):
    """A client of nginx, one by TLS, and who stands behind it."""

    client: httpx.Client
    secure: httpx.Client
    gateway: Gateway
    provider: Provider


def nobodys_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def refusing() -> Iterator[int]:
    """A port that nobody listens on, and that nobody else is given meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


@contextmanager
def nginx(folder: Path, gateway: Gateway, gone: int) -> Iterator[tuple[str, str]]:
    """The configuration as it is, but for addresses and with TLS besides; the URLs to ask."""
    port, secure = nobodys_port(), nobodys_port()
    text = CONFIG.read_text().replace("listen 8080;", f"listen 127.0.0.1:{port};")
    text = text.replace("# listen 443 ssl;", f"listen 127.0.0.1:{secure} ssl;")
    text = text.replace("# ssl_", "ssl_").replace("/etc/nginx/tls", str(folder))
    text = text.replace("gateway-1:8080", gateway.url.removeprefix("http://"))
    text = text.replace("gateway-2:8080", f"127.0.0.1:{gone}")
    text = text.replace("proxy_pass ", f"proxy_bind {NGINX};\nproxy_pass ")
    file = folder / "nginx.conf"
    file.write_text(f"daemon off;\npid {folder}/pid;\nerror_log {folder}/log;\n{text}")
    process = subprocess.Popen(["nginx", "-p", folder, "-c", file], stderr=subprocess.DEVNULL)
    try:

        def answers() -> bool:
            assert process.poll() is None
            with socket.socket() as one:
                return one.connect_ex(("127.0.0.1", port)) == 0

        until(answers)
        yield f"http://127.0.0.1:{port}", f"https://127.0.0.1:{secure}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("front")
    with ExitStack() as stack:
        provider = stack.enter_context(providers.running())
        write_config(folder, provider)
        config = folder / "callgate.toml"
        trusted = f'[server]\ntrusted_proxies = ["{NGINX}"]\n'
        config.write_text(config.read_text().replace("[server]\n", trusted))
        gateway = stack.enter_context(serving(folder))
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1")
        certificate.private_key_pem.write_to_path(folder / "privkey.pem")
        (folder / "fullchain.pem").write_bytes(
            b"".join(one.bytes() for one in certificate.cert_chain_pems)
        )
        verify = ssl.create_default_context()
        authority.configure_trust(verify)
        gone = stack.enter_context(refusing())
        clients = [
            stack.enter_context(
                httpx.Client(
                    base_url=url,
                    headers={"authorization": gateway.key},
                    timeout=20,
                    transport=httpx.HTTPTransport(local_address=CALLER, verify=verify),
                )
            )
            for url in stack.enter_context(nginx(folder, gateway, gone))
        ]
        yield Front(*clients, gateway, provider)


def asked(model: str, *, stream: bool = False) -> dict[str, object]:
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": "Go."}]}


def test_a_gateway_that_is_gone_is_passed_over(front: Front) -> None:
    answers = [front.client.post(CHAT, json=asked("test-ok")) for _ in range(8)]
    assert {one.status_code for one in answers} == {200}
    left = [int(one.headers["x-ratelimit-remaining"]) for one in answers]
    assert left == list(range(left[0], left[0] - 8, -1))


def test_events_are_not_held_back(front: Front) -> None:
    front.provider.go_on.clear()
    with front.client.stream("POST", CHAT, json=asked("test-paused", stream=True)) as answer:
        assert answer.headers["x-request-id"]
        assert int(answer.headers["x-ratelimit-remaining"]) >= 0
        lines = answer.iter_lines()
        assert "content" in next(line for line in lines if '"content":"' in line)
        front.provider.go_on.set()  # the provider says no more before this
        assert "data: [DONE]" in lines


def test_a_caller_who_leaves_is_gone_for_the_provider_too(front: Front) -> None:
    front.provider.left.clear()
    with front.client.stream("POST", CHAT, json=asked("test-endless", stream=True)) as answer:
        next(answer.iter_lines())
        left = time.monotonic()
    assert front.provider.left.wait(2)
    assert time.monotonic() - left < 0.5


def test_mistakes_are_told_by_the_gateway_and_not_by_nginx(front: Front) -> None:
    # Answered before it was sent, it ends its connection, which must not be used again.
    ends = {"connection": "close"}
    large = front.client.post(CHAT, content=b"x" * 3_000_001, headers=ends)
    long = front.client.get("/v1/models", headers={"x-long": "y" * 20_000})
    lost = front.client.get("/nowhere")
    assert [one.status_code for one in (large, long, lost)] == [413, 200, 404]
    assert large.json()["request_id"] == large.headers["x-request-id"]
    # Links in errors lead to where the caller asked.
    docs = lost.json()["error"]["metadata"]["docs"]
    assert docs.startswith(str(front.client.base_url))
    assert front.client.get(docs).status_code == 200


def test_what_comes_as_http_1_0_without_a_host_is_served(front: Front) -> None:
    url = front.client.base_url
    with socket.create_connection((url.host, url.port or 80), timeout=20) as connection:
        connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_the_record_names_who_asked_nginx_and_not_what_it_claims(front: Front) -> None:
    claims = {"x-forwarded-for": "192.0.2.66", "x-forwarded-proto": "ftp"}
    direct = httpx.Client(
        base_url=front.gateway.url, transport=httpx.HTTPTransport(local_address=CALLER)
    )
    for way in (front.client, front.secure, direct):
        answer = way.post(CHAT, json={}, headers=claims)
        assert front.gateway.record(answer.headers["x-request-id"])["client"] == CALLER
        assert answer.json()["error"]["metadata"]["docs"].startswith(str(way.base_url))
    direct.close()


def test_metrics_are_not_for_callers(front: Front) -> None:
    assert front.client.get("/metrics").status_code == 403
