"""What servers say when they refuse: each has the fix that an operator needs."""

from __future__ import annotations

import pytest

from callgate.store.refusals import COUNTERS, DATABASE, IN_USE, Fixes, fix_of


@pytest.mark.parametrize(
    ("fixes", "said", "fix"),
    [
        (COUNTERS, "Authentication required", "put the user and the password"),
        (COUNTERS, "invalid username-password pair or user is disabled", "%40"),
        (COUNTERS, "AUTH <password> called without any password configured", "take the password"),
        (COUNTERS, "User a has no permissions to run the 'evalsha' command", "rights"),
        (COUNTERS, "LOADING Redis is loading the dataset in memory", "wait"),
        (COUNTERS, "-READONLY You can't write against a read only replica.", "primary"),
        (COUNTERS, "Link with MASTER is down and replica-serve-stale-data is 'no'", "primary"),
        (COUNTERS, "OOM command not allowed when used memory > 'maxmemory'", "raise the server's"),
        (COUNTERS, "NOREPLICAS Not enough good replicas to write", "min-replicas-to-write"),
        (
            COUNTERS,
            "MISCONF Redis is configured to save RDB snapshots, but it's unable to persist to disk",
            "disk",
        ),
        (COUNTERS, "CLUSTERDOWN The cluster is down", "CLUSTER INFO"),
        (COUNTERS, "CLUSTERDOWN Hash slot not served", "--cluster check"),
        (COUNTERS, "DB index is out of range", "lower number"),
        (COUNTERS, "[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate", "ssl_ca_certs"),
        (COUNTERS, "[SSL: WRONG_VERSION_NUMBER] wrong version number", "redis://"),
        (COUNTERS, "Error while reading: (104, 'Connection reset by peer')", "rediss://"),
        (COUNTERS, "Protocol Error: b'HTTP/1.1 400 Bad Request'", "no Redis answers there"),
        (COUNTERS, "Error 2 connecting to /x/s. No such file or directory.", "socket's path"),
        (COUNTERS, "Error 13 connecting to /x/s. Permission denied.", "unixsocketperm"),
        (COUNTERS, "Error 111 connecting to 127.0.0.1:1. Connection refused", "otherwise"),
        (DATABASE, 'FATAL: password authentication failed for user "a"', "%40"),
        (DATABASE, "fe_sendauth: no password supplied", "user and the password"),
        (DATABASE, 'FATAL: database "a" does not exist', "docs/postgresql.md"),
        (DATABASE, 'root certificate file "/x/root.crt" does not exist', "sslrootcert"),
        (DATABASE, "no pg_hba.conf entry for host, no encryption", "wants TLS"),
        (DATABASE, "no pg_hba.conf entry for host, SSL encryption", "admit this machine"),
        (DATABASE, "server does not support SSL, but SSL was required", "take sslmode"),
        (DATABASE, 'invalid connection option "sslmod"', "what follows `?`"),
        (DATABASE, 'invalid sslmode value: "yes"', "verify-full"),
        (DATABASE, 'FATAL: too many connections for role "a"', "CONNECTION LIMIT"),
        (DATABASE, "transaction blocks not allowed in statement pooling mode", "pool_mode"),
        (DATABASE, "unsupported startup parameter: options", "ALTER ROLE"),
        (DATABASE, "received invalid response to SSL negotiation: H", "no PostgreSQL"),
        (DATABASE, "Connection refused", "otherwise"),
        (IN_USE, "cannot execute INSERT in a read-only transaction", "if this server is a standby"),
        (IN_USE, "canceling statement due to lock timeout", "holds locks"),
        (IN_USE, "database or disk is full", "make room"),
        (IN_USE, "permission denied for table records", "own Callgate's tables"),
    ],
)
def test_each_refusal_has_its_fix(fixes: Fixes, said: str, fix: str) -> None:
    assert fix in fix_of(said, fixes, "otherwise")
