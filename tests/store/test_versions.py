"""Records that other versions of Callgate have written, as this one reads and tells them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import pytest

from callgate.core.record import Record, Splice
from callgate.store.base import Query, RequestLog
from callgate.store.journal.shipper import Shipper
from callgate.store.journal.unshipped import find, scan
from callgate.store.opening import open_store
from callgate.support.explain import explain
from samples import answered, attempt

# A line as the very first version wrote it, and lists what it has no word of as null.
FIRST = (
    b'cg1 000003c0 b847626a {"request_id":"01a20bd7-de42-718a-9aac-10c0f12033bd",'
    b'"time":1795495026242,"region":"us","method":"POST","path":"/v1/chat/completions",'
    b'"status":200,"account":"default","key_id":"key_3Trq9ag8zKG","client":"127.0.0.1",'
    b'"model":"m","model_served":"m","provider":"up","parameters":{"model":"m"},'
    b'"message_count":1,"prompt_bytes":35,'
    b'"prompt_sha256":"5e0e587876e28e72f56273bffe9bf95761d9e5c6a152d03e6212ab6550d5e4f3",'
    b'"response_bytes":460,"finish_reason":"stop","native_finish_reason":"stop",'
    b'"usage":{"input_tokens":1000,"output_tokens":100,"total_tokens":1100,'
    b'"input_details":null,"output_details":null,"extra":null,"estimated":false},'
    b'"total_us":2428,"upstream_us":1491,"first_token_us":2235,"gateway_us":937,'
    b'"attempts":[{"model":"m","provider":"up","deployment":"up/m","upstream_model":"m",'
    b'"host":"127.0.0.1","started_us":885,"duration_us":1491,"connect_us":249,'
    b'"headers_us":846,"first_token_us":1350,"status":200,"decision":"done",'
    b'"reason":"the answer is complete"}]}\n'
)


def newer() -> bytes:
    """A line of a version to come: words that this one does not know, and fields at every level."""
    tried = attempt(error="quantum_drift", decision="teleport", reason="it is nearer")
    told = answered(
        status=507, error="quantum_drift", origin="moon", finish_reason="evaporated",
        message="The moon was in the way", attempts=[tried],
        splices=[Splice(characters=3, attempt=0, way="sideways")],
    )  # fmt: skip
    record: dict[str, Any] = json.loads(msgspec.json.encode(told))
    record["usage"] |= {"lunar_tokens": 7, "input_details": {"moon_tokens": 3}}
    for part in (record, record["usage"], record["attempts"][0], record["splices"][0]):
        part["of_2031"] = {"deep": [1, None, "x"]}
    body = json.dumps(record).encode()
    return b"cg1 %08x %08x %b\n" % (len(body), crc32(body), body)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "journal"
    made.mkdir()
    return made


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RequestLog]:
    store = open_store(f"sqlite:///{tmp_path}/callgate.db")
    yield store.requests
    store.close()


@pytest.mark.parametrize("line", [FIRST, newer()], ids=["the first version", "a newer version"])
def test_a_record_of_another_version_is_found_shipped_listed_and_told(
    folder: Path, log: RequestLog, line: bytes
) -> None:
    (folder / "1795495023351-29032-0be7267b.journal").write_bytes(line)
    (waiting,) = scan(folder)
    assert find(folder, waiting.request_id) == waiting
    shipper = Shipper(folder, log, time.time)
    assert shipper.ship() == 1
    assert (shipper.damaged, shipper.trouble) == (0, None)
    assert list(log.find(Query())) == [log.get(waiting.request_id)] == [waiting]
    story = msgspec.json.encode(explain(waiting)).decode()
    assert (waiting.error or "the answer is complete") in story
    assert all(f"({one.way})" in story for one in waiting.splices)


def test_a_record_bears_no_word_that_an_older_version_would_refuse() -> None:
    seen: list[type] = [Record]
    for kind in seen:
        for field in msgspec.inspect.type_info(kind).fields:  # type: ignore[attr-defined]
            for one in _parts(field.type):
                assert not isinstance(one, msgspec.inspect.LiteralType | msgspec.inspect.EnumType)
                if isinstance(one, msgspec.inspect.StructType):
                    assert not one.forbid_unknown_fields
                    if one.cls not in seen:
                        seen.append(one.cls)
    assert len(seen) > 3


def _parts(kind: msgspec.inspect.Type) -> Iterator[msgspec.inspect.Type]:
    """A type, and what it is made of."""
    yield kind
    for part in (
        *getattr(kind, "types", ()),
        getattr(kind, "item_type", None),
        getattr(kind, "value_type", None),
    ):
        if part is not None:
            yield from _parts(part)
