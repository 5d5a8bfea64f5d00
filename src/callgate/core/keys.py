"""Callers' keys: `cg_<region>_<27 random characters><6 characters of checksum>`.

The random part is 160 bits in base 62, the checksum the CRC-32 of everything before it. It is no
protection, the 160 bits are; it lets a mistyped or cut key be told from an unknown one without
asking the store, so a flood of invented keys costs no queries, and it lets secret scanners
recognise a leaked key without false alarms. The region stands in the open so that a key used at
the wrong endpoint can be sent to the right one.
"""

from __future__ import annotations

import hashlib
import re
from zlib import crc32

ENTROPY_BYTES = 20
KEY_ID_ENTROPY_BYTES = 8

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_LENGTH = 27
_CHECKSUM_LENGTH = 6
_KEY_ID_LENGTH = 11

_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_KEY = re.compile(r"cg_([a-z0-9][a-z0-9-]{0,31})_[0-9A-Za-z]{33}")


def mint(region: str, entropy: bytes) -> str:
    """A new key of a region from `ENTROPY_BYTES` random bytes.

    Raises ValueError for a name that `is_region` refuses or another number of bytes.
    """
    if not is_region(region):
        raise ValueError(f"not a region's name: {region!r}")
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"a key takes {ENTROPY_BYTES} random bytes, not {len(entropy)}")
    body = f"cg_{region}_{_base62(int.from_bytes(entropy, 'big'), _RANDOM_LENGTH)}"
    return body + _checksum(body)


def key_id(entropy: bytes) -> str:
    """A public name for a key, `key_…`, from `KEY_ID_ENTROPY_BYTES` random bytes unlike its own."""
    if len(entropy) != KEY_ID_ENTROPY_BYTES:
        raise ValueError(f"an id takes {KEY_ID_ENTROPY_BYTES} random bytes, not {len(entropy)}")
    return "key_" + _base62(int.from_bytes(entropy, "big"), _KEY_ID_LENGTH)


def is_region(text: str) -> bool:
    """Whether the text can name a region: lower-case letters, digits and hyphens, at most 32."""
    return _REGION.fullmatch(text) is not None


def region_of(key: str) -> str | None:
    """The region that a well-formed key carries; None where the shape or the checksum is wrong."""
    match = _KEY.fullmatch(key)
    if match is None:
        return None
    body = key[:-_CHECKSUM_LENGTH]
    return match[1] if key[-_CHECKSUM_LENGTH:] == _checksum(body) else None


def digest(key: str) -> bytes:
    """The SHA-256 of a well-formed key, under which the store knows it.

    A plain hash is enough: 160 random bits cannot be guessed, unlike a password.
    """
    return hashlib.sha256(key.encode()).digest()


def hint(key: str) -> str:
    """The key's last four characters, by which people tell their keys apart."""
    return key[-4:]


def _checksum(body: str) -> str:
    # `_base62` written out for six digits: this runs for every request.
    crc = crc32(body.encode())
    digits = _ALPHABET
    return (
        f"{digits[crc // 916132832]}{digits[crc // 14776336 % 62]}{digits[crc // 238328 % 62]}"
        f"{digits[crc // 3844 % 62]}{digits[crc // 62 % 62]}{digits[crc % 62]}"
    )


def _base62(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits = _ALPHABET[digit] + digits
    return digits
