"""Secrets planted in every place of the configuration, and a prompt that nobody may keep."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import msgspec
import psycopg

import redisserver
from callgate.capture import files
from collector import Collector, collecting
from gateway import Gateway, children, serving, until
from pgserver import PostgresServer
from redisserver import RedisServer

CHAT = "/v1/chat/completions"
HERON = "the heron in the reeds said quince-7731"
SECRETS = {
    "store": "pg-PassWord-000001",
    "counters": "redis-PassWord-000001",
    "metrics": "metrics-bearer-000001",
    "traces": "collector-header-000001",
    "openai": "sk-planted-provider-key-000002",
    "anthropic": "sk-ant-planted-000003",
    "gemini": "AIzaSyPlanted000000000000000000000000004",
    "access_key_id": "AKIAPLANTED000000005",
    "bedrock": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYPLANTED006",
    "session": "aws-session-token-000007",
}
CONFIG = """
[server]
drain = 2
access_log = true
[store]
url = "{store}"
[counters]
url = "{counters}"
[metrics]
enabled = true
token = "{metrics}"
[traces]
endpoint = "{collector}"
headers = {{ x-key = "{traces}" }}
[capture]
payloads = "all"
[retry]
per_target = 1
"""
PROVIDER = """
[providers.{name}]
dialect = "{name}"
base_url = "{parrot}"
api_key = "{secret}"
timeouts = {{ connect = 2, headers = 5 }}
"""
MODEL = '[models.{name}-{kind}]\nprovider = "{name}"\nrate_limit = 10000\n'
KINDS = ("page", "refused", "credentials")
NAMES = ("openai", "anthropic", "gemini", "bedrock")


class _Parrot(BaseHTTPRequestHandler):
    """A provider that repeats all it was sent: in a page, in a refusal, in a credentials error."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        said = f"{dict(self.headers)} {body}"
        kind = next((one for one in KINDS if one in self.path + body), "page")
        page = f"<html>{said}</html>".encode()
        told = json.dumps({"error": {"message": said}, "message": said}).encode()
        status = {"page": 200, "refused": 400, "credentials": 401}[kind]
        answer = page if kind == "page" else told
        self.send_response(status)
        self.send_header("content-type", "text/html" if kind == "page" else "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@contextmanager
def parrot() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Parrot) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def configure(
    folder: Path, provider: str, collector: Collector, redis: RedisServer, database: str
) -> None:
    named = {
        **SECRETS,
        "store": database.replace("owner@", f"owner:{SECRETS['store']}@"),
        "counters": redis.url.replace("unix://", f"unix://:{SECRETS['counters']}@"),
        "collector": f"http://127.0.0.1:{collector.server_port}",
    }
    text = CONFIG.format(**named)
    for name in NAMES:
        text += PROVIDER.format(name=name, parrot=provider, secret=SECRETS[name])
        if name == "bedrock":
            text += f'access_key_id = "{SECRETS["access_key_id"]}"\n'
            text += f'session_token = "{SECRETS["session"]}"\nregion = "us-east-1"\n'
        text += "".join(MODEL.format(name=name, kind=kind) for kind in KINDS)
    (folder / "callgate.toml").write_text(text)
    (folder / "callgate.toml").chmod(0o600)


def ask(gateway: Gateway, key: str, prompt: str) -> Iterator[str]:
    """Every kind of answer by every dialect, and what else there is to be asked."""
    headers = {"x-callgate-capture": "full", "traceparent": f"00-{'4b' * 16}-{'00f0' * 4}-01"}
    with gateway.client(key, headers=headers) as client:
        for name in NAMES:
            for kind in KINDS:
                for stream in (False, True):
                    body = {
                        "model": f"{name}-{kind}",
                        "messages": [{"role": "user", "content": prompt}],
                        "stream": stream,
                        "stop": [prompt[:30]],
                    }
                    yield client.post(CHAT, json=body).text
        wrong = {"model": "openai-page", "messages": [{"role": prompt[:20], "content": ""}]}
        yield client.post(CHAT, json=wrong).text
        yield client.get("/v1/requests?limit=100").text
        for one in client.get("/v1/requests?limit=100").json()["data"]:
            yield client.get(f"/v1/requests/{one['request_id']}").text
        for path in ("/openapi.json", "/errors", "/metrics", "/ready", "/v1/models", "/nowhere"):
            yield client.get(path).text


def dump(url: str) -> str:
    """All rows of all tables."""
    with psycopg.connect(url, autocommit=True) as connection:
        records = connection.execute("SELECT convert_from(body, 'UTF8') FROM records").fetchall()
        usage = connection.execute("SELECT * FROM usage").fetchall()
        keys = connection.execute("SELECT * FROM keys").fetchall()
    return f"{records} {usage} {keys}"


def arguments(pid: int) -> Iterator[str]:
    """The command lines of a process and of its children."""
    for one in (pid, *children(pid)):
        yield Path(f"/proc/{one}/cmdline").read_text()


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    """What the files of a folder hold, unpacked; the configuration aside."""
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "callgate.toml":
            data = path.read_bytes()
            if path.suffix == files.SUFFIX:
                data = gzip.decompress(data)
            elif path.suffix == ".zip":
                with zipfile.ZipFile(path) as archive:
                    data = b"".join(archive.read(name) for name in archive.namelist())
            yield str(path.relative_to(folder)), data.decode("utf-8", "replace")


def test_no_planted_secret_and_no_private_prompt_is_kept(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    database = postgres.fresh()
    with (
        parrot() as provider,
        collecting() as collector,
        redisserver.running("--requirepass", SECRETS["counters"]) as redis,
    ):
        configure(tmp_path, provider, collector, redis, database)
        with serving(tmp_path) as gateway:
            private = gateway.new_key("--capture", "never", "--account", "quiet")["key"]
            keys = (gateway.key, private)
            planted = (*SECRETS.values(), *keys)
            known = [SECRETS[name] for name in NAMES] + [*keys]
            said = dict(enumerate(ask(gateway, gateway.key, "Keep " + " or ".join(known))))
            alone = list(ask(gateway, private, f"{HERON}. {gateway.key}"))
            with gateway.client(SECRETS["metrics"]) as scraper:
                said[-1] = scraper.get("/metrics").text
            count = len(said) // 2
            until(lambda: len(collector.spans) > count and dump(database).count("quiet") > 24)
            log = tmp_path / "callgate-data"
            captured = sorted(log.rglob(f"*{files.SUFFIX}"))
            first = files.read(captured[0]).request_id
            made = tmp_path / "tests"
            commands = [
                gateway.run("bundle", "--since", "1h", "--with-payload", "--output", "all.zip"),
                gateway.run("replay", first, "--as-test", "--directory", str(made)),
                gateway.run("why"),
            ]
            processes = " ".join(arguments(gateway.process.pid))
            with redis.client(password=SECRETS["counters"]) as client:
                counted = [(name, client.hgetall(name)) for name in client.keys("*:{*")]
        outputs = [one.stdout + one.stderr for one in commands]
        spans = " ".join(map(str, collector.spans))
    assert (tmp_path / "all.zip").is_file(), outputs[0]
    assert list(made.glob("test_*.py")), outputs[1]
    assert collector.keys == {SECRETS["traces"]}
    kept = {
        **dict(texts(tmp_path)),
        "log": gateway.log,
        "database": dump(database),
        "redis": str(counted),
        "spans": spans,
        "processes": processes,
        **{f"command {at}": text for at, text in enumerate(outputs)},
    }
    for place, text in {**kept, **{f"answer {at}": one for at, one in said.items()}}.items():
        for secret in planted:
            assert secret not in text, place
            assert json.dumps(secret)[1:-1].replace("/", "\\/") not in text, place
    for place, text in kept.items():
        assert "quince-7731" not in text, place
        assert "the heron" not in text, place
    assert all(gateway.key not in text for text in alone)
    open_to_others = [
        path.name for path in log.rglob("*") if path.is_file() and path.stat().st_mode & 0o077
    ]
    assert set(open_to_others) <= {"prices.json"}
    assert msgspec.json.decode(alone[0])["error"]["type"] == "bad_upstream_reply"
