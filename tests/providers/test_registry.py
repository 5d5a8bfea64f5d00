"""The vendors' rows."""

from __future__ import annotations

import pytest

from callgate.core.http import split_url
from callgate.core.models import Vendor
from callgate.providers.registry import VENDORS, dialect


@pytest.mark.parametrize("vendor", VENDORS.values(), ids=list(VENDORS))
def test_every_row_is_usable(vendor: Vendor) -> None:
    assert VENDORS[vendor.name] is vendor
    spoken = dialect(vendor.dialect)
    assert all(callable(getattr(spoken, one)) for one in ("encode", "decode", "decoder", "error"))
    if vendor.base_url:
        origin, path = split_url(vendor.base_url.format(region=vendor.default_region))
        assert origin.scheme == "https" or origin.host == "127.0.0.1"
        assert not path.endswith("/chat/completions")
    if vendor.env:
        assert vendor.env.isupper()
        assert vendor.auth != "none"
    assert vendor.max_tokens_field in ("max_tokens", "max_completion_tokens")
    assert vendor.request_id_header == vendor.request_id_header.lower()


def test_no_two_vendors_share_a_variable() -> None:
    variables = [vendor.env for vendor in VENDORS.values() if vendor.env]
    assert len(variables) == len(set(variables))


def test_an_unknown_dialect_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        dialect("esperanto")
