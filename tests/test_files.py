"""The files that a process may have open: the last are kept back, and the soft limit is raised."""

from __future__ import annotations

import resource

import pytest

from callgate.files import Files, open_to_this_process


@pytest.mark.parametrize(("limit", "bound"), [(64, 56), (1024, 896), (65_536, 65_280)])
def test_some_files_are_kept_back_from_connections(limit: int, bound: int) -> None:
    assert Files(limit).bound == bound


def test_files_are_scarce_where_the_next_one_is_kept_back() -> None:
    assert Files(4).scarce()  # a test has more of them open
    assert not Files(1 << 20).scarce()


def test_files_are_lacking_for_a_while_where_somebody_was_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 5.0
    monkeypatch.setattr("callgate.files.monotonic", lambda: now)
    files = Files(1 << 20)
    assert not files.lacking()
    files.refuse()
    assert files.lacking()
    now += 60
    assert not files.lacking()


def test_a_process_may_have_open_as_many_as_it_can_be_let() -> None:
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1 << 20 if most == resource.RLIM_INFINITY else min(most, 1 << 20)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted - 1, most))
    try:
        assert open_to_this_process().limit == wanted
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (wanted, most)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))
