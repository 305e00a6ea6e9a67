"""Which reasons are one and the same, but for what each event has for itself."""

import re
from functools import lru_cache

LONGEST = 500
"""Characters of a reason that tell: what comes behind them is not looked at."""

ANYTHING = "…"

_QUOTED = re.compile(r""""[^"\n]*"|`[^`\n]*`|(?<!\w)'[^'\n]*'(?!\w)""")
_OWN = re.compile(
    r"""
    (?<![\w.+-])[\w.+-]++@[\w.-]+                                       # an address
    | \b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b  # a UUID
    | \b0x[0-9a-f]+\b | \b(?=[a-f]*\d)[0-9a-f]{8,}\b                    # other hexadecimal ids
    | \d+(?:[.,:]\d+)*                                                  # a number, a time
    """,
    re.VERBOSE | re.IGNORECASE,
)


def alike(reason: str) -> str:
    """The reason in one line, with an ellipsis for each id, number, address and quoted value."""
    return " ".join(map(_word, _QUOTED.sub(ANYTHING, reason[:LONGEST]).split()))


# Of ten thousand reasons most words are the same.
@lru_cache(4096)
def _word(word: str) -> str:
    return _OWN.sub(ANYTHING, word)
