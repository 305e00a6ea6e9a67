"""JSON that is refused, whatever it says: as events of it arrive, and before ours leave."""

import json
import math
import time
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import contracts
from heliograph import Contract, Malformed
from heliograph.bus import LARGEST_BODY
from heliograph.events import EventKind, admit, encode, headers_to_json, new_id
from tests.samples import event, image, product

VARIANT = {"name": "a", "key": "b", "width": 1, "height": 2}
MESSAGE = encode(
    event(
        product(
            images=[image().model_dump() | {"variants": [VARIANT]}],
            description='Say "price": and "go".',
        ),
        changes={"price": {"from": "1", "to": "2"}, "images": {"from": [{"a": 1}], "to": []}},
        original=product(),
    )
)  # fmt: skip
BODY = MESSAGE.body


def refused(body: bytes) -> str:
    """Why a product's event with this body is not admitted; empty if it is."""
    begun = time.process_time()
    try:
        admit(MESSAGE.headers, body, lambda _, signal: EventKind(signal, contracts.Product))
    except Malformed as error:
        reason = str(error)
    else:
        reason = ""
    assert time.process_time() - begun < 1
    assert len(reason) < 300
    return reason


def among(extra: bytes) -> bytes:
    """The body with one more name in it."""
    return BODY[:-1] + b"," + extra + b"}"


ROOM = LARGEST_BODY - len(BODY) - 100


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (among(b'"x":[' + b"[" * (ROOM // 2) + b"]" * (ROOM // 2) + b"]"), "lists and objects"),
        (among(b'"x":' + b"[" * 1000 + b"]" * 1000), "recursion limit"),
        (among(b'"x":[' + b"[]," * (ROOM // 3) + b"[]]"), "more than 200000 lists and objects"),
        (among(b'"x":' + b"9" * 100_000), "number out of range"),
        (BODY + b" " * LARGEST_BODY, "more than 2097152 bytes"),
        (among(b'"x":NaN'), "NaN is no number"),
        (among(b'"x":[-Infinity]'), "-Infinity is no number"),
        (among(b'"price":1'), ""),
        (among(b'"signal":"post_save"'), "the name 'signal' twice"),
        (among(b'"x":{"a":1,"a":1}'), "the name 'a' twice"),
        (among(b'"signal" \n:"post_save"'), "the name 'signal' twice"),
        (among(b'"sign\\u0061l":"post_save"'), "the name 'signal' twice"),
        (BODY.replace(b'"sku":', b'"sku":"x","sku":', 1), "the name 'sku' twice"),
        (BODY.replace(b'"width":', b'"width":5,"width":', 1), "the name 'width' twice"),
        (BODY.replace(b'{"a":1}', b'{"a":1,"a":1}'), "the name 'a' twice"),
        (among(b'"' + b"k" * 100_000 + b'":1,"' + b"k" * 100_000 + b'":2'), "kkk' twice"),
        (b"{" + b",".join(b'"%d":0' % n for n in range(150_000)) + b',"149999":1}', "instance"),
        (among(b'"x":"\\ud800"'), "not JSON"),
        (among(b'"x":"\xff"'), "not JSON"),
        (among(b'"x":"\\u0000"'), "NUL"),
        (among(b'"x":"\\\\\\u0000"'), "NUL"),
        (among(b'"x":"' + b"\\\\" * 500_000 + b'"'), ""),
        (b"\xef\xbb\xbf" + BODY, "byte order mark"),
        (BODY.decode().encode("utf-16"), "it is not UTF-8"),
        (BODY.decode().encode("utf-32-le"), "it is not UTF-8"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"", "not JSON"),
        (BODY, ""),
        (json.dumps(json.loads(BODY), indent=2).encode(), ""),
        (json.dumps(json.loads(BODY) | {"x": {"NaN": ["Infinity", 1e300]}}).encode(), ""),
    ],
    ids=range(30),
)  # fmt: skip
def test_json_that_readers_may_take_differently_is_refused(body: bytes, reason: str) -> None:
    assert reason in refused(body)
    assert bool(reason) == bool(refused(body))


names = st.sampled_from(["a", "b", "price", "instance", "x y", 'q"', "é", "\\"])
values = st.recursive(
    st.none() | st.integers() | st.sampled_from(["", ' "a": ', "NaN", '\\"a":', "Infinity"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(st.tuples(names, inner), max_size=4).map(tuple)
    ),
    max_leaves=20,
)  # fmt: skip


def written(value: Any, colon: str) -> str:
    """JSON of a value in which an object is a tuple of pairs."""
    if isinstance(value, tuple):
        pairs = (json.dumps(name) + colon + written(each, colon) for name, each in value)
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(each, colon) for each in value) + "]"
    return json.dumps(value)


def repeats(value: Any) -> bool:
    if isinstance(value, tuple):
        inner = [name for name, _ in value]
        return len({*inner}) < len(inner) or any(repeats(each) for _, each in value)
    return isinstance(value, list) and any(map(repeats, value))


@given(values, st.sampled_from([":", ": ", " :", "\n:\t"]), st.sampled_from(["changes", "unknown"]))
def test_every_name_that_stands_twice_is_found(value: Any, colon: str, place: str) -> None:
    content = written((("f", (("from", value),)),), colon)
    body = BODY.replace(b'"changes":', b'"was":', 1)[:-1] + f',"{place}"{colon}{content}}}'.encode()
    assert ("twice" in refused(body)) == repeats(value)


class Weight(Contract):
    sender_name: ClassVar[str] = "scales.weight"

    id: UUID
    grams: float
    all: tuple[float, ...] = ()

    @property
    def subject(self) -> UUID:
        return self.id


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_no_event_leaves_with_a_number_that_json_does_not_have(odd: float) -> None:
    with pytest.raises(ValidationError, match="finite"):
        Weight(id=new_id(), grams=odd)
    with pytest.raises(ValidationError, match="finite"):
        Weight(id=new_id(), grams=1.0, all=(odd,))
    weight = Weight(id=new_id(), grams=1.5)
    with pytest.raises(ValueError, match="cannot be written as JSON"):
        encode(event(weight, changes={"grams": {"from": odd, "to": 1.5}}))
    named = encode(event(product(name="NaN"), changes={"name": {"from": "Infinity", "to": "NaN"}}))
    assert json.loads(named.body)["instance"]["name"] == "NaN"


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        [math.inf],
        b"\xff",
        {"a": b"\xff"},
        "\ud800",
        nested(190),
        nested(230),
        nested(5_000),
        [nested(400)] * 3,
        object(),
        2**200,
    ],
    ids=range(11),
)
def test_headers_of_any_kind_become_json_that_can_be_read_again(value: Any) -> None:
    written_ = headers_to_json({"ce-id": "x", "odd": value})
    read = json.loads(written_, parse_constant=pytest.fail)
    assert read["ce-id"] == "x"
    assert "odd" in read
