"""Stores and counters that cannot be used: told at once, by name, and nothing made."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.endure.servers import PASSWORD, Postgres, Redis

_MODEL = """\
catalogue = false
data_dir = "{folder}/data"
[providers.fake]
dialect = "openai"
base_url = "http://127.0.0.1:1/v1"
api_key = "x"
[models.fake]
provider = "fake"
"""


class Case(NamedTuple):
    """A setting with a URL that cannot be used, and a word that the error has besides the name."""

    name: str
    setting: str
    url: str
    word: str
    database: str = ""


def cases(postgres: Postgres, cache: Redis) -> list[Case]:
    """Every kind of URL that cannot be used; prepares the databases that they name."""
    for name in ("barred", "newer", "latin", "reading", "alien"):
        more = " ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0" if name == "latin" else ""
        postgres.execute(f"CREATE DATABASE {name}{more}")
    postgres.execute("CREATE TABLE alembic_version (version_num varchar(32))", "newer")
    postgres.execute("INSERT INTO alembic_version VALUES ('9999_future')", "newer")
    postgres.execute("ALTER DATABASE reading SET default_transaction_read_only = on")
    postgres.execute("CREATE TABLE records (mine int)", "alien")
    with cache.client() as client:
        client.execute_command("ACL", "SETUSER", "barred", "on", f">{PASSWORD}", "+@read", "~*")
        client.execute_command("ACL", "SETUSER", "walled", "on", f">{PASSWORD}", "+@all", "~other*")
    away = f"postgresql://owner:{PASSWORD}@127.0.0.1:1/x"
    walled = postgres.url("barred", "walled", PASSWORD)
    wrong = postgres.url("barred", "walled", "no" + PASSWORD)
    socket = cache.url.removeprefix("unix://")
    user, other = (f"unix://barred:{one}@{socket}" for one in (PASSWORD, "no" + PASSWORD))
    return [
        Case("store: no URL", "store.url", f"postgresql//u:{PASSWORD}@h/x", "postgresql://"),
        Case("store: another database", "store.url", f"mysql://u:{PASSWORD}@h/x", "postgresql://"),
        Case("store: no database named", "store.url", f"postgresql://u:{PASSWORD}@h", "expected"),
        Case("store: port is no number", "store.url", f"postgresql://u:{PASSWORD}@h:x/d", "expect"),
        Case("store: @ in a password", "store.url", f"postgresql://u:{PASSWORD}@a@h/d", "%40"),
        Case("store: nobody there", "store.url", away, "start PostgreSQL"),
        Case("store: wrong password", "store.url", wrong, "password", "barred"),
        Case("store: no such database", "store.url", postgres.url("absent"), "absent"),
        Case("store: no rights", "store.url", walled, "rights", "barred"),
        Case("store: newer schema", "store.url", postgres.url("newer"), "newer", "newer"),
        Case("store: another encoding", "store.url", postgres.url("latin"), "UTF8", "latin"),
        Case("store: only to read", "store.url", postgres.url("reading"), "primary", "reading"),
        Case("store: taken tables", "store.url", postgres.url("alien"), "else", "alien"),
        Case("store: folder of nobody", "store.url", "sqlite:////proc/no/x.db", "store.url"),
        Case("counters: no URL", "counters.url", f"redis//:{PASSWORD}@h", "redis://"),
        Case("counters: another server", "counters.url", f"amqp://u:{PASSWORD}@h", "redis://"),
        Case("counters: port is no number", "counters.url", f"redis://:{PASSWORD}@h:x/0", "redis"),
        Case("counters: nobody there", "counters.url", f"redis://:{PASSWORD}@127.0.0.1:1", "start"),
        Case("counters: no socket", "counters.url", f"unix://:{PASSWORD}@{socket}-no", "start"),
        Case("counters: wrong password", "counters.url", other, "correct"),
        Case("counters: no rights", "counters.url", user, "rights"),
        Case(
            "counters: other keys only", "counters.url", user.replace("barred", "walled"), "rights"
        ),
        Case("counters: no such number", "counters.url", f"unix://{socket}?db=99", "choose"),
    ]


def faults_of(case: Case, folder: Path, postgres: Postgres) -> list[str]:
    """What is wrong with the answer of `callgate serve` to such a setting; nothing, if none is."""
    folder.mkdir()
    table = case.setting.partition(".")[0]
    config = _MODEL.format(folder=folder) + f"[{table}]\nurl = {json.dumps(case.url)}\n"
    (folder / "callgate.toml").write_text(config)
    before = _tables(postgres, case.database)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "callgate", "serve", "--port", "0"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ["it started, or took longer than a minute"]
    said = ended.stdout + ended.stderr
    (folder / "said").write_text(said)
    faults = []
    if ended.returncode != 2:
        faults.append(f"status {ended.returncode}")
    if case.setting not in said or case.word not in said:
        faults.append(f"does not name {case.setting} or {case.word!r}: {said[-300:]!r}")
    if PASSWORD in said:
        faults.append("shows the password")
    if "Traceback" in said:
        faults.append("shows a traceback")
    if len(ended.stderr.strip().splitlines()) > 3:
        faults.append(f"says more than three lines: {ended.stderr[-600:]!r}")
    if (made := sorted(one.name for one in folder.iterdir())) != ["callgate.toml", "said"]:
        faults.append(f"has made {made}")
    if _tables(postgres, case.database) != before:
        faults.append("has changed the database")
    return faults


def _tables(postgres: Postgres, database: str) -> Sequence[object]:
    if not database:
        return ()
    asked = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 2"
    return postgres.execute(asked, database)
