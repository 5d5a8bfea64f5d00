"""Access tokens of Google, from a token service of our own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from callgate.errors import GatewayError
from callgate.upstream.google_token import EARLY, LATE, PAUSE, GoogleToken

pytest.importorskip("google.auth")


class TokenService(ThreadingHTTPServer):
    """Answers as https://oauth2.googleapis.com/token does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.given = 0
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/token"


class _Handler(BaseHTTPRequestHandler):
    server: TokenService

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["content-length"]))
        assert b"grant_type=urn" in sent
        self.server.given += 1
        body = {"access_token": f"token-{self.server.given}", "expires_in": 3600}
        if self.server.status != 200:
            body = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
        data = json.dumps(body).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[TokenService]:
    with TokenService() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def private_key() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@pytest.fixture
def key_file(service: TokenService, private_key: str, tmp_path: Path) -> str:
    path = tmp_path / "key.json"
    path.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": "p",
                "private_key_id": "1",
                "private_key": private_key,
                "client_email": "gate@p.iam.gserviceaccount.com",
                "client_id": "1",
                "token_uri": service.url,
            }
        )
    )
    return str(path)


class Clock:
    def __init__(self) -> None:
        import time

        self.now = time.time()

    def __call__(self) -> float:
        return self.now


async def test_one_token_serves_many_at_once(service: TokenService, key_file: str) -> None:
    tokens = GoogleToken(key_file)
    got = await asyncio.gather(*(tokens.get() for _ in range(20)))
    assert {secret.reveal() for secret in got} == {"token-1"}
    assert service.given == 1
    assert "token-1" not in repr(got)


async def test_a_token_is_renewed_before_it_expires(service: TokenService, key_file: str) -> None:
    clock = Clock()
    tokens = GoogleToken(key_file, clock)
    assert (await tokens.get()).reveal() == "token-1"
    clock.now += 3600 - EARLY - 60
    assert (await tokens.get()).reveal() == "token-1"
    clock.now += 120
    assert (await tokens.get()).reveal() == "token-2"
    assert service.given == 2


async def test_a_token_serves_on_while_no_new_one_is_given(
    service: TokenService, key_file: str
) -> None:
    clock = Clock()
    tokens = GoogleToken(key_file, clock, clock)
    await tokens.get()
    service.status = 400
    clock.now += 3600 - LATE - 60
    assert (await tokens.get()).reveal() == "token-1"
    asked = service.given
    assert (await tokens.get()).reveal() == "token-1"
    assert service.given == asked, "a failure is not tried again at once"
    clock.now += 3600
    with pytest.raises(GatewayError) as caught:
        await tokens.get()
    assert caught.value.kind.type == "provider_credentials"
    assert "Invalid JWT Signature" in (caught.value.detail or "")
    service.status = 200
    clock.now += PAUSE + 1
    assert (await tokens.get()).reveal().startswith("token-")


async def test_a_clock_that_is_set_back_makes_no_token_good_for_longer(
    service: TokenService, key_file: str
) -> None:
    clock, steady = Clock(), Clock()
    tokens = GoogleToken(key_file, clock, steady)
    await tokens.get()
    clock.now -= 3000
    steady.now += 3000
    assert (await tokens.get()).reveal() == "token-1"
    steady.now += 3600 - 3000 - EARLY + 60
    assert (await tokens.get()).reveal() == "token-2"
    clock.now += 86_400  # the machine slept, and the other clock did
    assert (await tokens.get()).reveal() == "token-3"


async def test_a_failure_is_over_in_time_also_where_the_clock_is_set_back(
    service: TokenService, key_file: str
) -> None:
    clock, steady = Clock(), Clock()
    tokens = GoogleToken(key_file, clock, steady)
    service.status = 400  # as Google refuses what is signed by a clock that is ahead
    with pytest.raises(GatewayError):
        await tokens.get()
    service.status, clock.now = 200, clock.now - 3600
    steady.now += PAUSE + 1
    assert (await tokens.get()).reveal().startswith("token-")


async def test_a_token_service_out_of_reach_is_said(
    service: TokenService, key_file: str, tmp_path: Path
) -> None:
    given = json.loads(Path(key_file).read_text())
    given["token_uri"] = "http://127.0.0.1:9/token"
    path = tmp_path / "far.json"
    path.write_text(json.dumps(given))
    with pytest.raises(GatewayError) as caught:
        await GoogleToken(str(path)).get()
    assert caught.value.kind.type == "upstream_unreachable"


@pytest.mark.parametrize("text", ["", "{}", "nonsense", '{"type": "service_account"}'])
async def test_a_file_without_credentials_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(GatewayError) as caught:
        await GoogleToken(str(path)).get()
    assert caught.value.kind.type == "provider_credentials"
    assert "credentials" in caught.value.fix
