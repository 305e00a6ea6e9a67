"""Reading CSV; the right value is what Python's csv module makes of it, or stands beside."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.transfer.csv_records import read_csv
from services.catalog.transfer.records import FIELDS, Record, UnreadableFile

HEAD = b"sku,name,price,currency\n"


def read(content: bytes, start: int = 0, number: int = 1) -> list[Record]:
    return list(read_csv(io.BytesIO(content), start, number))


def skus(content: bytes) -> list[str]:
    """The SKUs of the records that can be read."""
    return [each.data["sku"] for each in read(content) if each.data is not None]


def rejected(content: bytes) -> list[tuple[int, str]]:
    return [(each.line, each.reason) for each in read(content) if each.data is None]


LINE = st.text(alphabet=st.characters(exclude_characters="\r\n", codec="utf-8"))
# Python before 3.13 quotes a line break only if it is one of those that end its lines.
STYLES = st.sampled_from(
    [("\r\n", csv.QUOTE_MINIMAL), *((end, csv.QUOTE_ALL) for end in ("\n", "\r\n", "\r"))]
)
TEXT = st.text(alphabet=st.characters(codec="utf-8"))


@given(
    rows=st.lists(st.tuples(LINE.filter(str.strip), LINE, TEXT)),
    delimiter=st.sampled_from(",;\t"),
    style=STYLES,
    before=st.sampled_from([b"", b"\xef\xbb\xbf", b"\n", b",,\r\n"]),
    blank=st.sampled_from(["", " ", ",,,", ";;", "\t\t\t\t"]),
)
def test_what_pythons_csv_module_writes_is_read(
    rows: list[tuple[str, str, str]],
    delimiter: str,
    style: tuple[str, Any],
    before: bytes,
    blank: str,
) -> None:
    # Of what a guard would look like there is a test of its own.
    rows = [row for row in rows if not any(cell.startswith("'") for cell in row)]
    file = io.StringIO(newline="")
    end, quoting = style
    writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerow(("SKU", " name ", "description"))
    writer.writerows(rows)
    file.write(blank.replace(",", delimiter).replace(";", delimiter) + end)
    content = before + file.getvalue().encode()
    found = read(content)
    assert [each.data for each in found] == [
        dict(zip(("sku", "name", "description"), row, strict=True)) for row in rows
    ]


DAMAGED = st.text(alphabet='ab",;\n\r é\0').map(str.encode) | st.binary()


@given(body=DAMAGED, head=st.sampled_from([HEAD, b"sku;description\r", b"description,sku\r\n"]))
def test_whatever_the_bytes_every_line_is_in_one_record_or_blank(body: bytes, head: bytes) -> None:
    content = head + body
    records = read(content)
    told = [line for each in records for line in range(each.line, each.last_line + 1)]
    assert told == sorted(set(told))
    for number, line in enumerate(content.splitlines(), 1):
        blank = not line.strip(b' ,;"\t\x0b\x0c\x1c\x1d\x1e\x1f')
        assert number == 1 or number in told or blank, line


@given(body=DAMAGED)
def test_reading_goes_on_behind_any_record_as_if_it_had_not_stopped(body: bytes) -> None:
    content = HEAD + body
    records = read(content)
    for count, each in enumerate(records, 1):
        assert read(content, each.end, each.last_line + 1) == records[count:]


def test_a_quote_that_is_never_closed_costs_its_own_line() -> None:
    rows = [f"Q{number},Product,1.00,EUR" for number in range(10)]
    rows[2] = '"' + rows[2]
    content = HEAD + "\n".join(rows).encode()
    assert skus(content) == [f"Q{number}" for number in range(10) if number != 2]
    [(line, reason)] = rejected(content)
    assert line == 4
    assert reason.endswith("a quote may be open")


@pytest.mark.parametrize("closing", ['Q5",x,1,EUR', 'Q5,5" x,1,EUR', 'Q5,"",1,EUR', 'Q5,"x",1,EUR'])
def test_a_quote_that_is_closed_on_a_later_line_costs_no_line_between(closing: str) -> None:
    rows = ['"Q2,x,1,EUR', "Q3,x,1,EUR", "Q4,x,1,EUR", closing, "Q6,x,1,EUR"]
    found = skus(HEAD + "\n".join(rows).encode())
    assert [each for each in found if each in {"Q3", "Q4", "Q6"}] == ["Q3", "Q4", "Q6"]
    assert rejected(HEAD + "\n".join(rows).encode())[0][0] == 2


def test_a_line_too_long_within_a_quote_costs_no_other_line() -> None:
    content = HEAD + b'"A,x,1,EUR\nB,x,1,EUR\n' + b"x" * 2_000_000 + b'\nC",x,1,EUR\nD,x,1,EUR\n'
    assert skus(content) == ["B", 'C"', "D"]
    assert [line for line, _ in rejected(content)] == [2, 4]


def test_a_description_of_several_lines_is_one_record() -> None:
    [record, after] = read(b'sku,description\r\nA,"1\r\n\r\n""2"""\r\nB,x\r\n')
    assert record.data == {"sku": "A", "description": '1\r\n\r\n"2"'}
    assert (record.line, record.last_line, after.line) == (2, 4, 5)


def test_a_bad_line_does_not_spoil_the_next() -> None:
    content = HEAD + (
        b'A,"Caf\xe9" x,1,EUR\nB,x,1,EUR\nC,"x" y,1,EUR\nD,x,1,EUR\nE,x\nF,x,1,EUR\n'
        b"G," + b"x" * 200_000 + b",1,EUR\nH,x,1,EUR\nI,x,1,EUR,more\nJ,x,1,EUR,\n"
    )
    assert skus(content) == ["B", "D", "F", "H", "J"]
    assert rejected(content) == [
        (2, "it is not UTF-8"),
        (4, "it is not CSV: ',' expected after '\"'"),
        (6, "it has 2 fields, the first line 4"),
        (8, "it is not CSV: field larger than field limit (131072)"),
        (10, "it has 5 fields, the first line 4"),
    ]


def test_columns_without_a_name_at_the_end_may_be_empty() -> None:
    content = b"sku,name,,\nA,x,,\nB,x,,y\n"
    assert skus(content) == ["A"]
    assert [line for line, _ in rejected(content)] == [3]


def test_a_guard_is_taken_away() -> None:
    [record] = read(b"sku,name,categories\nA,'=1+1,a  b\n")
    assert record.data == {"sku": "A", "name": "=1+1", "categories": ["a", "b"]}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf\r\n,,,\r\n", "the file is empty"),
        (b"A-1,Lamp,1.00,EUR\n", "unknown fields 1.00, a-1, eur, lamp"),
        (b"sku,colour\n", "unknown fields colour"),
        (b"name,price\n", "does not name the field sku"),
        (b"sku,name,SKU \n", "names a field twice"),
        (b"sku,,name\n", "a column without a name"),
        (b'sku,"name\nA,x\n', "is not CSV"),
        (b"sku," + b"x" * 200_000 + b"\n", "is not CSV"),
        (b"sku," + b"x" * 2_000_000 + b"\n", "more than 1000000 bytes"),
        (b"sku,caf\xe9\n", "not UTF-8"),
        (b"\x1b[2J,sku\n", r"unknown fields \x1b[2j"),
        (b",".join(b"c%d" % number for number in range(50_000)), "and 49995 more"),
    ],
)
def test_a_header_that_is_none_is_refused_in_a_short_line(content: bytes, told: str) -> None:
    with pytest.raises(UnreadableFile) as refused:
        read_csv(io.BytesIO(content), 0, 1)
    assert told in str(refused.value)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 300


def test_the_fields_are_those_that_an_export_writes() -> None:
    assert FIELDS == ("sku", "name", "description", "price", "currency", "categories")
