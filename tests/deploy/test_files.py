"""The files of `deploy/`: what they configure is what there is."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from callgate.config import load
from callgate.config.settings import ServerTable
from callgate.config.timeouts import THINKING, USUAL
from loopserver import in_thread

DEPLOY = Path(__file__).parents[2] / "deploy"
ENVIRONMENT = {
    "CALLGATE_REGION": "us",
    "CALLGATE_STORE_URL": "postgresql://callgate:x@postgres/callgate",
    "CALLGATE_COUNTERS_URL": "redis://:x@redis:6379/0",
    "CALLGATE_METRICS_TOKEN": "x",
    "OPENAI_API_KEY": "x",
    "CALLGATE_TRUSTED_PROXIES": "",
}


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text()))


def kubernetes() -> dict[str, dict[str, Any]]:
    documents = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    return {document["kind"]: document for document in documents}


def test_the_containers_configuration_can_be_used() -> None:
    config = load(DEPLOY / "callgate.toml", ENVIRONMENT)
    assert config.settings.server.workers == 2
    assert config.models


def test_kubernetes_has_the_same_configuration(tmp_path: Path) -> None:
    text = kubernetes()["ConfigMap"]["data"]["callgate.toml"]
    (tmp_path / "callgate.toml").write_text(text)
    here = load(tmp_path / "callgate.toml", ENVIRONMENT)
    assert here.settings == load(DEPLOY / "callgate.toml", ENVIRONMENT).settings


def test_every_variable_is_given() -> None:
    wanted = set(re.findall(r"\$\{(\w+)\}", (DEPLOY / "callgate.toml").read_text()))
    assert wanted == set(ENVIRONMENT)
    gateway = compose()["services"]["gateway-1"]
    offered = set(re.findall(r"^(\w+)=", (DEPLOY / "example.env").read_text(), re.MULTILINE))
    assert wanted <= set(gateway["environment"]) | offered
    (container,) = kubernetes()["StatefulSet"]["spec"]["template"]["spec"]["containers"]
    plain = {variable["name"] for variable in container["env"]}
    assert wanted - {"CALLGATE_REGION"} == plain | set(kubernetes()["Secret"]["stringData"])


def test_nginx_is_believed_at_the_address_that_it_has_and_nobody_else() -> None:
    services, networks = compose()["services"], compose()["networks"]
    address = services["nginx"]["networks"]["default"]["ipv4_address"]
    named = services["gateway-1"]["environment"]["CALLGATE_TRUSTED_PROXIES"]
    environment = {**ENVIRONMENT, "CALLGATE_TRUSTED_PROXIES": named}
    proxies = load(DEPLOY / "callgate.toml", environment).trusted_proxies
    assert proxies is not None
    (network,) = networks["default"]["ipam"]["config"]
    inside = [str(one) for one in ip_network(network["subnet"])]
    assert [one for one in inside if proxies.trusts(one)] == [address]
    gateways = [services[f"gateway-{n}"]["networks"]["default"]["ipv4_address"] for n in (1, 2)]
    assert len({address, *gateways} & set(inside[2:-1])) == 3


def test_who_stops_a_gateway_waits_for_its_drain() -> None:
    drain = ServerTable().drain
    pod = kubernetes()["StatefulSet"]["spec"]["template"]["spec"]
    unit = (DEPLOY / "callgate.service").read_text()
    told = re.search(r"TimeoutStopSec=(\d+)", unit)
    assert told
    for grace in (
        int(compose()["services"]["gateway-2"]["stop_grace_period"].removesuffix("s")),
        pod["terminationGracePeriodSeconds"] - 5,  # what preStop takes
        int(told[1]),
    ):
        assert grace >= drain + 2
    assert 'ExecReload=/bin/sh -c "kill -HUP $MAINPID"' in unit  # /bin/kill is not everywhere


def test_no_container_runs_as_root_or_writes_to_its_root() -> None:
    for name in ("gateway-1", "gateway-2"):
        assert compose()["services"][name]["read_only"] is True
    pod = kubernetes()["StatefulSet"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    user = re.search(r"^USER (\d+)$", dockerfile, re.MULTILINE)
    assert user
    assert int(user[1]) == pod["securityContext"]["runAsUser"] != 0
    assert dockerfile.count("\nFROM ") == 2


@pytest.mark.parametrize(("status", "code"), [(b"200 OK", 0), (b"500 Internal Server Error", 1)])
def test_the_health_check_asks_the_gateway_and_no_proxy(status: bytes, code: int) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET /health ")
        writer.write(b"HTTP/1.1 %b\r\ncontent-length: 2\r\n\r\n{}" % status)
        writer.close()

    lines = (DEPLOY / "Dockerfile").read_text().replace("\\\n", "")
    found = re.search(r"^HEALTHCHECK .* CMD (\[.*\])$", lines, re.MULTILINE)
    assert found
    program, *arguments = json.loads(found[1])
    assert (program, arguments[0]) == ("python", "-c")
    with in_thread(serve) as port:
        command = [sys.executable, "-c", arguments[1].replace("8080", str(port))]
        nowhere = "http://127.0.0.1:1"
        env = {**os.environ, "http_proxy": nowhere, "HTTP_PROXY": nowhere}
        assert subprocess.run(command, check=False, env=env).returncode == code


def test_nginx_waits_longer_than_any_provider_and_holds_nothing_back() -> None:
    text = (DEPLOY / "nginx.conf").read_text()
    timeout = re.search(r"proxy_read_timeout (\d+)s;", text)
    assert timeout
    assert int(timeout[1]) > max(USUAL.total, THINKING.total)
    assert "proxy_buffering off;" in text


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not on the PATH")
def test_nginx_takes_its_configuration(tmp_path: Path) -> None:
    text = (DEPLOY / "nginx.conf").read_text()
    local = text.replace("gateway-1:", "127.0.0.1:").replace("gateway-2:", "127.0.0.2:")
    (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/pid;\nerror_log stderr;\n{local}")
    done = subprocess.run(
        ["nginx", "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
