"""Entity tags (RFC 9110, section 8.8.3) and the preconditions that name them."""

import re
from typing import Annotated

from fastapi import Header

from services.catalog.errors import PreconditionFailed

IfMatch = Annotated[
    str | None, Header(description="Change only what still has one of these entity tags.")
]
IfNoneMatch = Annotated[
    str | None, Header(description="Answer 304 if it still has one of these entity tags.")
]

_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def etag(value: int | str) -> str:
    """Write a strong entity tag."""
    return f'"{value}"'


def is_current(if_match: str | None, tag: str) -> bool:
    """Whether a request with this `If-Match` may change what has `tag`.

    The comparison is strong: a weak tag matches nothing. No header allows everything, a
    malformed one nothing.
    """
    if if_match is None or if_match.strip() == "*":
        return True
    return ("", tag) in _TAG.findall(if_match)


def check_match(if_match: str | None, version: int) -> None:
    """Raise `PreconditionFailed` unless a request with this `If-Match` may change that version."""
    if not is_current(if_match, etag(version)):
        raise PreconditionFailed(f"it has version {version} now: read it again")


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Whether the client that sent this `If-None-Match` has what has `tag` already."""
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    return any(tag == known for _, known in _TAG.findall(if_none_match))
