"""What `jsoncompat` sees, what it does not, and how we tell of both."""

import json
from typing import Any

import pytest
from jsoncompat import check_compat

from tools.schema_breaks import Part, breaks

Fields = dict[str, Any]

TEXT: Fields = {"type": "string"}
KEY: Fields = {"type": "string", "pattern": "^[a-z]+$"}
MAP: Fields = {"type": "object", "patternProperties": {"^.*$": {"type": "object"}}}


def holding(field: Part) -> Fields:
    """The schema of a body with one field, which is always there."""
    return {"type": "object", "properties": {"field": field}, "required": ["field"]}


def told(old: Part, new: Part) -> list[str]:
    """What readers are told of a field that was so, and is so."""
    return [str(each) for each in breaks(holding(old), holding(new))]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (TEXT, {"type": "integer"}, "may be of type integer, was string"),
        ({"type": "integer"}, {"type": "number"}, "may be of type number, was integer"),
        (TEXT, {"type": ["string", "null"]}, "may be null"),
        (TEXT, {"oneOf": [TEXT, {"type": "null"}]}, "may be null"),
        (TEXT, {}, "may be anything"),
        (TEXT, True, "may be anything"),
        (TEXT | {"const": "a"}, TEXT | {"const": "b"}, 'has const "b", had "a"'),
        (TEXT | {"enum": ["a"]}, TEXT | {"enum": ["a", "b"]}, 'has enum ["a", "b"], had ["a"]'),
        (TEXT | {"enum": ["a"]}, TEXT, 'has no enum, had ["a"]'),
        (TEXT | {"maxLength": 2}, TEXT | {"maxLength": 3}, "has maxLength 3, had 2"),
        (TEXT | {"minLength": 2}, TEXT, "has no minLength, had 2"),
        ({"items": TEXT}, {"items": {"type": "null"}}, "[] may be null"),
        ({"items": TEXT, "type": "array"}, {"type": "array"}, "may hold what it could not before"),
        (MAP, MAP | {"patternProperties": {"^.*$": TEXT}}, ".* may be of type string, was object"),
    ],
)
def test_what_may_be_more_than_it_was_breaks_readers(old: Part, new: Part, said: str) -> None:
    joined = "field" if said[0] in "[." else "field "

    assert told(old, new) == [joined + said]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"type": ["string", "null"]}, TEXT),
        ({"anyOf": [TEXT, {"type": "null"}]}, {"type": ["string", "null"]}),
        (TEXT, TEXT | {"enum": ["a"], "description": "Anew.", "title": "Field"}),
        (TEXT | {"maxLength": 2}, TEXT | {"maxLength": 1}),
        (KEY, TEXT | {"const": "a"}),
        (TEXT, KEY),
        (TEXT, TEXT | {"format": "uuid"}),
        ({}, TEXT),
        (True, TEXT),
        (holding(TEXT), holding(TEXT) | {"additionalProperties": False}),
    ],
)
def test_what_got_narrower_breaks_nobody(old: Part, new: Part) -> None:
    assert told(old, new) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (KEY, TEXT, 'field has no pattern, had "^[a-z]+$"'),
        (KEY, KEY | {"pattern": "^[a-c]$"}, 'field has pattern "^[a-c]$", had "^[a-z]+$"'),
        (TEXT | {"format": "uuid"}, TEXT, 'field has no format, had "uuid"'),
    ],
)
def test_patterns_and_formats_stay_though_the_library_does_not_look(
    old: Fields, new: Fields, said: str
) -> None:
    assert check_compat(json.dumps(old), json.dumps(new), "serializer")
    assert told(old, new) == [said]


def test_a_field_is_gone_even_if_nobody_was_promised_it() -> None:
    optional = {"type": "object", "properties": {"a": {}, "b": TEXT}}

    assert [str(each) for each in breaks(optional, {"type": "object"})] == [
        "a is gone",
        "b is gone",
    ]


def test_a_field_may_be_described_by_a_pattern_of_names() -> None:
    one = {"type": "object", "properties": {"price": {"type": "object"}}}

    assert told(one, MAP) == []
    assert told(one, {"type": "object", "additionalProperties": {"type": "object"}}) == []
    assert told(one, {"type": "object", "additionalProperties": TEXT}) == [
        "field.price may be of type string, was object"
    ]


def test_a_part_that_holds_itself_is_compared_and_no_further() -> None:
    def tree(leaf: Fields) -> Fields:
        node = holding(leaf)
        node["properties"]["below"] = {"type": "array", "items": {"$ref": "#/$defs/Node"}}
        return {"$ref": "#/$defs/Node", "$defs": {"Node": node}}

    assert breaks(tree(TEXT), tree(TEXT)) == []
    [broken, *_] = breaks(tree(TEXT), tree({"type": "integer"}))
    assert str(broken) == "field may be of type integer, was string"


def test_what_cannot_be_compared_is_told_as_a_break() -> None:
    [nowhere] = breaks(TEXT, {"$ref": "#/$defs/Nowhere"})
    assert str(nowhere).startswith("it cannot be compared: ")

    [odd] = breaks({"type": "number", "multipleOf": 0.01}, {"type": "number"})
    assert "it" in str(odd)
