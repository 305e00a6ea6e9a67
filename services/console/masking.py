"""What who only looks is shown of people."""

import re


def masked_address(address: str) -> str:
    """An address by its first letter and its domain: `a…@example.org`."""
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}…{at}{domain}"


def masked_viewer(viewer: str) -> str:
    """A viewer by the first letter."""
    return f"{viewer[:1]}…"


# Begins where an address can begin, so that a long text is read once.
_ADDRESS = re.compile(
    r"""(?<![^\s<>()\[\],;:"\\@])([^\s<>()\[\],;:"\\@])[^\s<>()\[\],;:"\\@]*+@(?=[^\s@])"""
    r"""|(")[^"\n]{1,64}"@(?=[^\s@])"""
)


def masked_text(text: str) -> str:
    """A text with each address in it by its first letter and its domain."""
    if "@" not in text:
        return text
    return _ADDRESS.sub(lambda found: f"{found[1] or found[2]}…@", text)
