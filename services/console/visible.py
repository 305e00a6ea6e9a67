"""Texts by people and machines, so that a page shows all that stands in them."""

import re

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}
"""Unicode's pictures of control characters: those of C1 and of direction have none."""


def visible(text: str) -> str:
    """Show control characters, and those that turn the direction of text, as signs."""
    return _CONTROLS.sub(_sign, text).encode("utf-8", "replace").decode()


def _sign(found: re.Match[str]) -> str:
    code = ord(found[0])
    return _PICTURES.get(code) or f"⟨U+{code:04X}⟩"
