"""What of a JSON Schema a later one breaks, field by field, as its readers see it.

A reader of a schema takes whatever is valid under it, with whatever fields come besides. A later
schema breaks its readers if a document may be valid under it that was not valid before: longer, or
null, or without a field; or if a field that they know by name is no longer described. What gets
narrower, and what is added, breaks nobody.

`jsoncompat` decides that of schemas as a whole; here it is asked of ever smaller parts until the
field is found. It takes no notice of patterns and formats, so those must stay as they are.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from jsoncompat import check_compat

Schema = Mapping[str, Any]
Part: TypeAlias = Schema | bool
"""In the place of a schema, true takes everything and false nothing."""

EVERY_TYPE = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})
ANNOTATIONS = frozenset({"title", "description", "default", "examples", "deprecated"})
OF_PARTS = frozenset(
    {"$defs", "$id", "$ref", "$schema", "allOf", "anyOf", "oneOf", "type", "required", "items"}
    | {"properties", "patternProperties", "additionalProperties"}
)
"""Keywords that are compared by what is below them."""
_OF_WHOLE = frozenset({"$id", "$schema", "$defs"})
UNWATCHED = frozenset({"pattern", "format", "contentEncoding", "contentMediaType"})
"""Keywords of which `jsoncompat` takes no notice."""


class Break(NamedTuple):
    """What readers meet that they do not know, and the path of its field, empty for the whole."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path or 'it'} {self.what}"


def breaks(old: Schema, new: Schema) -> list[Break]:
    """What readers of `old` lose once documents are written by `new`, the deepest parts of it."""
    if old == new:
        return []
    try:
        return [*_Comparison(old, new).of("", old, new)]
    except ValueError as error:
        return [Break("", f"cannot be compared: {error}")]


class _Comparison:
    """Two schemas, each with the definitions that its parts refer to."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._old = old
        self._new = new
        self._open: set[tuple[int, int]] = set()
        self._fits = self._is_compatible(old, new)
        """If the whole is compatible, so is each part."""

    def of(self, path: str, old: Part, new: Part) -> Iterator[Break]:
        olds, news = _forms(self._old, old), _forms(self._new, new)
        known, more = _types(olds), _types(news) - _types(olds)
        here = (id(olds[0]), id(news[0]))
        if here in self._open:  # a part that holds itself
            return
        if more and not self._fits:
            yield Break(path, _more(more, known))
            return
        pairs = [*_pairs(olds, news)]
        self._open.add(here)
        found = [each for pair in pairs for each in self._below(path, *pair)]
        self._open.remove(here)
        yield from found
        limits = {each: said for pair in pairs for each, said in _limits(*pair).items()}
        told = [said for each, said in limits.items() if each in UNWATCHED]
        if not found and (told or not (self._fits or self._is_compatible(old, new))):
            told = told or [*limits.values()] or ["may hold what it could not before"]
            yield Break(path, " and ".join(told))

    def _below(self, path: str, old: Schema, new: Schema) -> Iterator[Break]:
        for name, field in old.get("properties", {}).items():
            at = f"{path}.{name}".lstrip(".")
            now = _field(new, name)
            if now is None:
                yield Break(at, "is gone")
            elif name in old.get("required", ()) and name not in new.get("required", ()):
                yield Break(at, "may be missing")
            else:
                yield from self.of(at, field, now)
        patterns = new.get("patternProperties", {})
        for pattern, field in old.get("patternProperties", {}).items():
            if pattern in patterns:
                yield from self.of(f"{path}.*", field, patterns[pattern])
        for keyword, sign in (("additionalProperties", ".*"), ("items", "[]")):
            if keyword in old and keyword in new:
                yield from self.of(path + sign, old[keyword], new[keyword])

    def _is_compatible(self, old: Part, new: Part) -> bool:
        return check_compat(_document(old, self._old), _document(new, self._new), "serializer")


def _document(part: Part, whole: Schema) -> str:
    """A part by itself, with its definitions in the places that refer to them.

    `jsoncompat` follows a reference in some places only, and none in a document with an `$id`.
    """
    document = {name: each for name, each in _schema(part).items() if name not in _OF_WHOLE}
    return json.dumps(_inlined(document, whole.get("$defs", {})))


def _inlined(part: Any, definitions: Schema, within: frozenset[str] = frozenset()) -> Any:
    if isinstance(part, list):
        return [_inlined(each, definitions, within) for each in part]
    if not isinstance(part, dict):
        return part
    if (name := str(part.get("$ref", "")).removeprefix("#/$defs/")) in definitions:
        # What holds itself is compared where it is first met.
        return {} if name in within else _inlined(definitions[name], definitions, within | {name})
    return {key: _inlined(each, definitions, within) for key, each in part.items()}


def _schema(part: Part) -> Schema:
    if isinstance(part, bool):
        return {} if part else {"not": {}}
    return part


def _forms(whole: Schema, part: Part) -> list[Schema]:
    """The alternatives of a part, without references."""
    part = _schema(part)
    if "$ref" in part:
        name = str(part["$ref"]).removeprefix("#/$defs/")
        if name not in whole.get("$defs", {}):
            raise ValueError(f"there is no {part['$ref']}")
        return _forms(whole, whole["$defs"][name])
    choices = part.get("anyOf") or part.get("oneOf") or part.get("allOf", ())
    if not choices or ("allOf" in part and len(choices) > 1):
        return [part]
    return [form for each in choices for form in _forms(whole, each)]


def _pairs(olds: Sequence[Schema], news: Sequence[Schema]) -> Iterator[tuple[Schema, Schema]]:
    """What of one type was, and is; alternatives of one type are compared together only."""
    for old in olds:
        kinds = _types([old]) - {"null"}
        alike = [new for new in news if kinds & _types([new])]
        if len(alike) == 1 and sum(bool(kinds & _types([each])) for each in olds) == 1:
            yield old, alike[0]


def _types(forms: Sequence[Schema]) -> frozenset[str]:
    found: set[str] = set()
    for form in forms:
        given = form.get("type", EVERY_TYPE)
        found |= {given} if isinstance(given, str) else {*given}
    return frozenset(found | {"integer"} if "number" in found else found)


def _field(schema: Schema, name: str) -> Part | None:
    """What a schema says of a field: by its name, by a pattern, or of all others."""
    patterns = schema.get("patternProperties", {})
    found: list[Part] = [
        *(each for known, each in schema.get("properties", {}).items() if known == name),
        *(each for pattern, each in patterns.items() if re.search(pattern, name)),
        *(each for each in [schema.get("additionalProperties")] if isinstance(each, dict)),
    ]
    return found[0] if found else None


def _more(more: frozenset[str], known: frozenset[str]) -> str:
    if more == {"null"}:
        return "may be null"
    if known | more == EVERY_TYPE:
        return "may be anything"
    return f"may be of type {' or '.join(sorted(more))}, was {' or '.join(sorted(known))}"


def _limits(old: Schema, new: Schema) -> dict[str, str]:
    """How the keywords of a part itself differ; a list of values needs no pattern."""
    listed = UNWATCHED if "const" in new or "enum" in new else frozenset()
    found = {}
    for keyword in old.keys() - ANNOTATIONS - OF_PARTS - listed:
        if old[keyword] != new.get(keyword):
            has = f"{keyword} {json.dumps(new[keyword])}" if keyword in new else f"no {keyword}"
            found[keyword] = f"has {has}, had {json.dumps(old[keyword])}"
    return dict(sorted(found.items()))
