"""Takes secrets out of text that others wrote, before anybody keeps or shows it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from callgate.core.secret import Secret

MASK = "[redacted]"

_SHORTEST = 4
"""A known secret of fewer characters would mask half of the text and protects nothing."""

_SHORTEST_PART = 6
"""Nor does it say much of a secret how its first few characters are."""

# Each alternative looks at a word at most once from its beginning, or a bounded way ahead: time is
# in proportion to the text, whatever it is. What has to begin a word is tried at such places only,
# and nothing is looked for in a run that is too short; the order decides where several would match.
_WITH_MARKS = r"""
      \b(?:
          (?:Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{4,}          # RFC 6750, RFC 7617
        | eyJ[A-Za-z0-9_-]{8,2000}+\.[A-Za-z0-9_.-]{8,}      # RFC 7519, a signed token
        | (?:sk|pk|rk|gsk|xai|cg|csk|hf|fw|tgp|nvapi|r8|glpat|xox[abeoprs])[-_][A-Za-z0-9_*-]{6,}
        | (?:gh[opsur]|github_pat)_[A-Za-z0-9_*]{6,}         # GitHub's tokens
        | (?:AKIA|ASIA)[A-Z0-9]{12,}                         # AWS access key ids
        | AIza[A-Za-z0-9_-]{20,}                             # Google API keys
        | ya29\.[A-Za-z0-9_.-]{10,}                          # Google access tokens
      )
    | -----BEGIN\ [A-Z ]{0,20}PRIVATE\ KEY-----(?:\\[nr]|[A-Za-z0-9+/=\s]){1,8192}   # RFC 7468
    | (?i:(?=[acps])(?:
          api[-_]?key|secret[-_]?key|client[-_]?secret|access[-_]?token|passw(?:or)?d
      )=[^\s"'&]{4,})
"""
_STARS = "***"
_MASKED_IN_PART = r"""
    | (?:(?<![^\s"'`:=])[^\s"'`:=]*)?\*{3,}[^\s"'`,;]*       # by the provider
"""
_OF_ACCOUNTS = r"""
    | \b(?:
          (?:Team|API\ key\ ID):\ [^\s,]+                    # xAI: whose key it is
        | (?:org|proj|user|wrkspc)[-_][A-Za-z0-9]{6,}        # account ids
      )
"""
_OPAQUE = r"""
    | (?<![A-Za-z0-9])(?=[A-Za-z0-9]{32})
      (?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{32,}(?![A-Za-z0-9])
    | (?<![A-Za-z0-9+/_-])(?=[A-Za-z0-9+/_-]{40})
      (?=[A-Za-z+/_-]*[0-9])(?=[a-z0-9+/_-]*[A-Z])(?=[A-Z0-9+/_-]*[a-z])
      [A-Za-z0-9+/_-]{40,}={0,2}                             # base64, also the kind for URLs
"""


@lru_cache
def _shapes(*, masked: bool) -> re.Pattern[str]:
    """What has the shape of a secret; with what is masked in part where there are stars at all."""
    stars = _MASKED_IN_PART if masked else ""
    return re.compile(_WITH_MARKS + stars + _OF_ACCOUNTS + _OPAQUE, re.VERBOSE)


def redact(text: str, secrets: Iterable[Secret] = ()) -> str:
    """The text with these secrets, and whatever has the shape of one, replaced by `[redacted]`.

    Account ids and long opaque words go too: a false alarm costs a word, a miss costs a key. Of a
    text that was cut, also the part of a secret that is left at its end.
    """
    values = sorted((secret.reveal() for secret in secrets), key=len, reverse=True)
    for value in values:  # the longest first: a shorter one may be the beginning of another
        if len(value) >= _SHORTEST:
            text = _without_part(text.replace(value, MASK), value)
    return _shapes(masked=_STARS in text).sub(MASK, text)


def _without_part(text: str, value: str) -> str:
    for length in range(len(value) - 1, _SHORTEST_PART - 1, -1):
        if text.endswith(value[:length]):
            return text[:-length] + MASK
    return text
