import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.transfer.json_records import read_jsonl
from services.catalog.transfer.records import Record


def read(content: bytes) -> list[Record]:
    return list(read_jsonl(io.BytesIO(content), 0, 1))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"{", "it is not JSON"),
        (b"\0", "it is not JSON"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": 1e999}', "a number is too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "5000 digits"),
        (b'{"a": 1, "a": 2}', "'a' twice"),
        (b"[" * 100_000, "it is not JSON"),
        (b"[]", "it is not a JSON object"),
        (b'{"a": "\xe9"}', "it is not UTF-8"),
        (b'"' + b"x" * 8_000_000 + b'"', "more than 8000000 bytes"),
    ],
)
def test_a_bad_line_is_rejected_and_the_next_is_read(line: bytes, told: str) -> None:
    bad, good = read(line + b'\n{"sku": "A"}')
    assert bad.data is None
    assert told in bad.reason
    assert (good.line, good.data) == (2, {"sku": "A"})


def test_byte_order_mark_blank_lines_and_any_line_ends_are_no_trouble() -> None:
    found = read(b'\xef\xbb\xbf{"sku": "A"}\r\n\r\n \n{"sku": "B"}\r{"sku": "C"}')
    assert [(each.line, each.data) for each in found] == [
        (1, {"sku": "A"}),
        (4, {"sku": "B"}),
        (5, {"sku": "C"}),
    ]


def test_of_a_line_of_rejects_its_record_is_read() -> None:
    mended, not_yet = read(
        b'{"line": 7, "last_line": 7, "reason": "", "record": {"sku": "A"}}\n'
        b'{"line": 7, "last_line": 7, "reason": "", "record": null, "text": "A,"}\n'
    )
    assert mended.data == {"sku": "A"}
    assert not_yet.data is None
    assert not_yet.reason.startswith("record: ")


@given(content=st.binary() | st.text(alphabet='{}[]":,\\ud8001eE+-.\n\r').map(str.encode))
def test_whatever_the_bytes_every_line_is_in_one_record_or_blank(content: bytes) -> None:
    told = [each.line for each in read(content)]
    assert told == sorted(set(told))
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        assert number in told or not line.decode("utf-8", "replace").strip()
