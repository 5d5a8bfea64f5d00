"""Servers' error messages, and what an operator can do about each. Pure."""

from __future__ import annotations

from collections.abc import Sequence

Fixes = Sequence[tuple[str, str]]
"""Words in what was said, in small letters, and the fix. The first that fits counts."""

COUNTERS: Fixes = (
    ("without any password", "the server has none: take the password out of counters.url"),
    ("authentication", "put the user and the password into counters.url: redis://user:password@…"),
    (
        "username-password",
        (
            "correct the user and the password in counters.url, with `@`, `:`, `/`, `#`, `?` "
            "and `%` in it written as %40, %3A, %2F, %23, %3F and %25"
        ),
    ),
    ("no permissions", "give that user the rights that docs/operating.md lists, or name another"),
    ("loading", "wait until the server has read its data, and start again"),
    (
        "'maxmemory'",
        "raise the server's maxmemory, free some of it, or name another server in counters.url",
    ),
    (
        "persist to disk",
        "make room on the server's disk, or set its stop-writes-on-bgsave-error to no",
    ),
    (
        "not enough good replicas",
        "bring the server's replicas back, or lower min-replicas-to-write",
    ),
    ("read only replica", "name the primary in counters.url: this server is a replica"),
    ("link with master", "name the primary in counters.url: this server is a replica"),
    ("select is not allowed", "take the database's number off counters.url: a cluster has but one"),
    ("hash slot", "have the cluster's servers serve all slots: `redis-cli --cluster check` tells"),
    ("cluster is down", "bring all of the cluster's servers back: `CLUSTER INFO` tells its state"),
    ("db index", "choose a lower number of the database in counters.url; 0 is always there"),
    ("no such option", "correct what follows `?` in counters.url"),
    (
        "certificate",
        (
            "name the authority in counters.url, ?ssl_ca_certs=/path/ca.pem, and the host as the "
            "server's certificate has it"
        ),
    ),
    ("[ssl", "if the server has no TLS, write redis:// in counters.url"),
    ("protocol error", "no Redis answers there: correct host and port in counters.url"),
    ("connection reset", "if the server wants TLS, write rediss:// in counters.url"),
    ("closed by server", "if the server wants TLS, write rediss:// in counters.url"),
    ("error 2 connecting", "start the server, or correct the socket's path in counters.url"),
    ("error 13 connecting", "let this user into the socket's folder, and set unixsocketperm 770"),
)

DATABASE: Fixes = (
    ("invalid connection option", "correct what follows `?` in store.url"),
    ("invalid sslmode", "correct sslmode in store.url: disable, prefer, require or verify-full"),
    ("invalid integer value", "correct what follows `?` in store.url"),
    (
        "password",
        (
            "correct the user and the password in store.url, with `@`, `:`, `/` and `%` in it "
            "written as %40, %3A, %2F and %25"
        ),
    ),
    (
        "certificate",
        (
            "name the authority in store.url, ?sslrootcert=/path/ca.crt, and the host as the "
            "server's certificate has it"
        ),
    ),
    (
        "does not exist",
        "make it with the statements that docs/postgresql.md has, or correct store.url",
    ),
    ("statement pooling", "set pool_mode = transaction in PgBouncer, or name PostgreSQL itself"),
    (
        "unsupported startup parameter",
        "take it out of store.url: PgBouncer passes none on; set it for the user, by ALTER ROLE",
    ),
    ("no encryption", "the server wants TLS: take sslmode=disable out of store.url"),
    ("not support ssl", "turn TLS on at the server, or take sslmode out of store.url"),
    (
        "pg_hba.conf",
        "admit this machine and user in the server's pg_hba.conf, or correct store.url",
    ),
    ("too many", "raise max_connections, or that user's CONNECTION LIMIT, or correct store.url"),
    ("connection slots", "raise the server's max_connections, or correct store.url"),
    ("starting up", "wait until the server has started; store.url may be right"),
    ("ssl negotiation", "no PostgreSQL answers there: correct host and port in store.url"),
)

IN_USE: Fixes = (
    ("disk is full", "make room on the disk that holds it"),
    ("no space left", "make room on the disk that holds it"),
    (
        "read-only transaction",
        (
            "name the primary in store.url if this server is a standby; else see what turned its "
            "default_transaction_read_only on, as hosted ones do when their disk is full"
        ),
    ),
    ("readonly database", "let Callgate write to the database's file and folder"),
    ("lock timeout", "end whatever else holds locks in that database"),
    ("database is locked", "end whatever else has that database open"),
    ("statement timeout", "look at what keeps that database busy"),
    ("too many", "raise max_connections, or that user's CONNECTION LIMIT"),
    ("connection slots", "raise the server's max_connections"),
    ("permission denied", "give that user its rights back: it has to own Callgate's tables"),
)
"""Of a database that was fit for use at the start."""


def fix_of(said: str, fixes: Fixes, otherwise: str) -> str:
    """What to do about what a server has said."""
    low = said.lower()
    return next((fix for words, fix in fixes if words in low), otherwise)
