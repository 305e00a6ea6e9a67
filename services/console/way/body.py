"""What an event said, as JSON for a person to read."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import from_json

from heliograph.text import readable

MOST_SHOWN = 64 * 1024
"""Characters of a body that a page shows; the whole can be downloaded."""
BESIDES = 1000
"""Characters that are looked at behind those, for an address may be cut."""

_ENCODER = json.JSONEncoder(indent=2, ensure_ascii=False)


class Body:
    """A body as it came. What is no object of JSON is text, and says nothing."""

    def __init__(self, body: bytes) -> None:
        self.bytes = body
        try:
            read = from_json(body)
        except ValueError:
            read = None
        self.says: Mapping[str, Any] = read if isinstance(read, dict) else {}

    def beginning(self, say: Callable[[str], str]) -> tuple[str, bool]:
        """The JSON indented, up to `MOST_SHOWN`, and whether that is all of it."""
        if not self.says:
            text = readable(self.bytes)
            shown = say(text[: MOST_SHOWN + BESIDES])[:MOST_SHOWN]
            return shown, len(text) <= MOST_SHOWN
        pieces, length = [], 0
        for piece in _ENCODER.iterencode(self.says):
            # Nothing behind what is shown is looked at.
            pieces.append(say(piece[: MOST_SHOWN + BESIDES]))
            length += len(pieces[-1])
            if length > MOST_SHOWN:
                return "".join(pieces)[:MOST_SHOWN], False
        return "".join(pieces), True

    def rewritten(self, say: Callable[[str], str]) -> bytes:
        """The whole with each text as `say` has it."""
        if not self.says:
            return say(readable(self.bytes)).encode()
        return json.dumps(_each(self.says, say), ensure_ascii=False).encode()


def _each(value: Any, say: Callable[[str], str]) -> Any:
    """Copy JSON with other texts; it was read, so it is not nested endlessly."""
    if isinstance(value, str):
        return say(value)
    if isinstance(value, list):
        return [_each(item, say) for item in value]
    if isinstance(value, dict):
        return {say(name): _each(item, say) for name, item in value.items()}
    return value
