"""Takes secrets out of text that others wrote, before anybody keeps or shows it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from callgate.core.secret import Secret

MASK = "[redacted]"

_SHORTEST = 4
"""A known secret of fewer characters would mask half of the text and protects nothing."""

# Each alternative looks at a word at most once from its beginning, or a bounded way ahead: time is
# in proportion to the text, whatever it is.
_SHAPES = re.compile(
    r"""
      \b(?:Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{4,}            # RFC 6750, RFC 7617
    | \beyJ[A-Za-z0-9_-]{8,2000}+\.[A-Za-z0-9_.-]{8,}        # RFC 7519, a signed token
    | \b(?:sk|pk|rk|gsk|xai|cg|csk|hf|fw|tgp|nvapi|r8|glpat|xox[abeoprs])[-_][A-Za-z0-9_*-]{6,}
    | \b(?:gh[opsur]|github_pat)_[A-Za-z0-9_*]{6,}           # GitHub's tokens
    | -----BEGIN\ [A-Z ]{0,20}PRIVATE\ KEY-----(?:\\[nr]|[A-Za-z0-9+/=\s]){1,8192}   # RFC 7468
    | (?i:api[-_]?key|secret[-_]?key|client[-_]?secret|access[-_]?token|passw(?:or)?d)=[^\s"'&]{4,}
    | \b(?:AKIA|ASIA)[A-Z0-9]{12,}                           # AWS access key ids
    | \bAIza[A-Za-z0-9_-]{20,}                               # Google API keys
    | \bya29\.[A-Za-z0-9_.-]{10,}                            # Google access tokens
    | (?:(?<![^\s"'`:=])[^\s"'`:=]*)?\*{3,}[^\s"'`,;]*       # what the provider masked in part
    | \b(?:Team|API\ key\ ID):\ [^\s,]+                      # xAI: whose key it is
    | \b(?:org|proj|user|wrkspc)[-_][A-Za-z0-9]{6,}          # account ids
    | (?<![A-Za-z0-9])(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{32,}(?![A-Za-z0-9])
    | (?<![A-Za-z0-9+/_-])(?=[A-Za-z+/_-]*[0-9])(?=[a-z0-9+/_-]*[A-Z])(?=[A-Z0-9+/_-]*[a-z])
      [A-Za-z0-9+/_-]{40,}={0,2}                             # base64, also the kind for URLs
    """,
    re.VERBOSE,
)


def redact(text: str, secrets: Iterable[Secret] = ()) -> str:
    """The text with these secrets, and whatever has the shape of one, replaced by `[redacted]`.

    Account ids and long opaque words go too: a false alarm costs a word, a miss costs a key.
    """
    for secret in secrets:
        value = secret.reveal()
        if len(value) >= _SHORTEST:
            text = text.replace(value, MASK)
    return _SHAPES.sub(MASK, text)
