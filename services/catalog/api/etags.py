"""Entity tags (RFC 9110, section 8.8.3) and the preconditions that name them.

Dates (`If-Modified-Since`, `If-Unmodified-Since`) are not looked at: nothing here has a
`Last-Modified`, and beside tags they do not count (sections 13.1.3 and 13.1.4).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from fastapi import Header, Response
from pydantic import WithJsonSchema

from heliograph.http import gzip_tag
from services.catalog.errors import PreconditionFailed

# To the document one line of any text is well formed; all lines are read.
_Lines = Annotated[list[str] | None, WithJsonSchema({"type": "string"})]
IfMatch = Annotated[
    _Lines, Header(description="Change only what still has one of these entity tags.")
]
IfNoneMatch = Annotated[
    _Lines,
    Header(
        description="Read: answer 304 if it still has one of these entity tags. Change: 412 then."
    ),
]

# A comma within quotes parts nothing. An open quote reaches to the end of its line.
_ELEMENT = re.compile(r'(?:"[^"]*"?|[^",])+')
_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def etag(value: int | str) -> str:
    """Write a strong entity tag."""
    return f'"{value}"'


def validators(version: int, cache_control: str) -> dict[str, str]:
    """Headers of an answer that has this version, by which a client knows it again."""
    return {"ETag": etag(version), "Cache-Control": cache_control, "Vary": "Accept-Encoding"}


def unchanged(if_none_match: Sequence[str] | None, headers: Mapping[str, str]) -> Response | None:
    """The 304 for a client that has what would be answered with these headers; else None.

    Of the tags for plain bytes and for gzip it has the one that the client named.
    """
    tag = headers["ETag"]
    if not is_known(if_none_match, tag):
        return None
    named = {known for _, known in _tags(if_none_match or ())}
    if tag not in named and gzip_tag(tag) in named:
        headers = {**headers, "ETag": gzip_tag(tag)}
    return Response(status_code=304, headers=headers)


def is_current(if_match: Sequence[str] | None, tag: str) -> bool:
    """Whether a request with these lines of `If-Match` may change what has `tag`.

    The comparison is strong: a weak tag matches nothing. No line allows everything, a malformed
    tag matches nothing.
    """
    if if_match is None or _is_any(if_match):
        return True
    return not {("", tag), ("", gzip_tag(tag))}.isdisjoint(_tags(if_match))


def is_known(if_none_match: Sequence[str] | None, tag: str) -> bool:
    """Whether the client that sent these lines of `If-None-Match` has what has `tag` already.

    The comparison is weak; a malformed tag matches nothing.
    """
    if if_none_match is None:
        return False
    same = (tag, gzip_tag(tag))
    return _is_any(if_none_match) or any(known in same for _, known in _tags(if_none_match))


def check_match(
    version: int, if_match: Sequence[str] | None, if_none_match: Sequence[str] | None
) -> None:
    """Raise `PreconditionFailed` unless a request with these may change that version."""
    tag = etag(version)
    if not is_current(if_match, tag):
        raise PreconditionFailed(f"it has version {version} now: read it again")
    if is_known(if_none_match, tag):
        raise PreconditionFailed(f"it has version {version}, which If-None-Match rules out")


def _is_any(lines: Sequence[str]) -> bool:
    return len(lines) == 1 and lines[0].strip(" \t") == "*"


def _tags(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each well-formed tag, `W/` or nothing before it; several lines are one list."""
    for line in lines:
        for element in _ELEMENT.findall(line):
            if found := _TAG.fullmatch(element.strip(" \t")):
                yield found[1] or "", found[2]
