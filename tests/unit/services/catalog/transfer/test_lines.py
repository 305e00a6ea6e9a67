import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.transfer import lines as module
from services.catalog.transfer.lines import LONGEST_LINE, lines


@given(
    text=st.text(alphabet="ab\r\n\N{LINE SEPARATOR}\x0b\x85é", max_size=40),
    block=st.integers(1, 8),
)
def test_lines_are_those_of_pythons_universal_newlines(text: str, block: int) -> None:
    expected = [line.removesuffix("\n") for line in io.StringIO(text, None)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", block)
        found = list(lines(io.BytesIO(text.encode())))
    assert [line.text.rstrip("\r\n") for line in found] == expected
    assert "".join(line.text for line in found) == text
    assert [line.number for line in found] == list(range(1, len(found) + 1))
    for line in found:
        assert (
            list(lines(io.BytesIO(text.encode()), line.end, line.number + 1))
            == (found[line.number :])
        )


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_that_is_too_long_leaves_its_neighbours_alone(end: str) -> None:
    content = f"a{end}{'x' * 3 * LONGEST_LINE}{end}b{end}".encode()
    first, long, last = lines(io.BytesIO(content))
    assert (first.text, last.text) == (f"a{end}", f"b{end}")
    assert (first.problem, last.problem) == ("", "")
    assert long.problem == f"it has more than {LONGEST_LINE} bytes"
    assert (last.number, last.end) == (3, len(content))


def test_a_line_of_another_encoding_says_so_for_itself() -> None:
    found = list(lines(io.BytesIO(b"\xef\xbb\xbfa\nCaf\xe9\nb")))
    assert [(line.text, line.problem) for line in found] == [
        ("a\n", ""),
        ("Caf\N{REPLACEMENT CHARACTER}\n", "it is not UTF-8"),
        ("b", ""),
    ]
