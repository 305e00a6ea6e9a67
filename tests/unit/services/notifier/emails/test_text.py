import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.emails.text import fitted, one_line, paragraphs


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Aeron Chair", "Aeron Chair"),
        ("  Aeron \t Chair ", "Aeron Chair"),
        ("Aeron\r\nBcc: eve@example.org", "Aeron Bcc: eve@example.org"),
        ("a\u2028b\u2029c\x85d\x00e\x7ff", "a b c d e f"),
        ("safe\u202egpj.exe", "safe gpj.exe"),
        ("=?utf-8?q?=0D=0ABcc:_eve?=", "= ?utf-8?q?=0D=0ABcc:_eve?="),
        ("\ud800lone", "lone"),
        ("👩‍🚀 Zoë", "👩‍🚀 Zoë"),
    ],
)
def test_a_strangers_text_becomes_one_harmless_line(text: str, line: str) -> None:
    assert one_line(text) == line


@given(st.text())
def test_one_line_never_holds_a_break_or_an_encoded_word_and_is_stable(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert "=?" not in line
    assert one_line(line) == line


@given(st.text(), st.integers(min_value=10, max_value=200))
def test_fitted_keeps_to_its_length(text: str, length: int) -> None:
    assert len(fitted("New: ", text, "", length)) <= length


def test_a_long_text_ends_with_an_ellipsis() -> None:
    assert fitted("New: ", "Aeron Chair", " now", 15) == "New: Aeron… now"


def test_paragraphs_skip_empty_lines_and_stop_when_full() -> None:
    assert paragraphs("One.\n\n  \nTwo.\r\nThree.", 100) == ["One.", "Two.", "Three."]
    assert paragraphs("One.\nTwo and more.\nThree.", 8) == ["One.", "Two…"]


def test_what_is_printable_is_harmless() -> None:
    for character in map(chr, range(sys.maxunicode + 1)):
        if character.isprintable():
            assert unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
