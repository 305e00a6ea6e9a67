"""Cursors: where a page ended, as text that clients hand back without reading it."""

import base64
import binascii

from pydantic_core import from_json, to_json

from services.catalog.errors import InvalidCursor

LONGEST = 1_500


def write_cursor(*parts: str | int) -> str:
    """Write the parts as text that is safe in a URL."""
    return base64.urlsafe_b64encode(to_json(parts)).rstrip(b"=").decode()


def read_cursor(cursor: str, *kinds: type) -> tuple[str | int, ...]:
    """Read the parts again; raise `InvalidCursor` unless they are of these types."""
    if len(cursor) > LONGEST:
        raise InvalidCursor
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        parts = from_json(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error) as error:
        raise InvalidCursor from error
    if not isinstance(parts, list) or tuple(map(type, parts)) != kinds:
        raise InvalidCursor
    return tuple(parts)
