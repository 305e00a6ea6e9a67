"""Which words are one: Unicode's collation (UTS 10), in the code of others, says what is right."""

import sys
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyuca import Collator

from services.catalog.repositories.terms import LONGEST, terms, words

ODD = {"\u037a", "\ufdfa", "\ufdfb", "\u1d4c", "\u2d6f"}
"""What stands for several words or a space, which part words here; and two that the table of
collation takes for others than Unicode's own decompositions do."""
FILLERS = {"\u115f", "\u1160", "\u3164", "\uffa0"}
"""Letters that are never seen, and that only the table of collation tells apart from nothing."""


@pytest.fixture(scope="module")
def collator() -> Collator:
    return Collator()


def without_accents(collator: Collator, text: str) -> tuple[int, ...]:
    """The first level of its sort key: letters, whatever their case and accents."""
    key: tuple[int, ...] = collator.sort_key(text)
    return key[: key.index(0)]


def letters(collator: Collator) -> Iterator[str]:
    """All that Unicode calls a letter and the table has."""
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if unicodedata.category(character)[0] == "L" and collator.table.find_prefix([code])[1]:
            yield character


def test_no_folding_makes_another_letter(collator: Collator) -> None:
    wrong = {
        each: words(each)
        for each in letters(collator)
        if without_accents(collator, "".join(words(each))) != without_accents(collator, each)
    }
    assert wrong.keys() == ODD | FILLERS


def test_accents_of_latin_and_greek_are_left_out(collator: Collator) -> None:
    wrong = []
    for each in letters(collator):
        parts = unicodedata.normalize("NFD", each)
        is_ours = unicodedata.name(parts[0], "").startswith(("LATIN", "GREEK"))
        if is_ours and words(each) != words(parts[0]):
            wrong.append(each)
    assert wrong == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Λάμπα", "λαμπα"),
        ("Ёлка", "елка"),
        ("за\u0301мок", "замок"),  # noqa: RUF001 - Cyrillic
        ("Straße", "STRASSE"),
        ("ΟΔΥΣΣΕΥΣ", "οδυσσεύς"),
        ("\ufb01ne", "fine"),
        ("\uff2c\uff25\uff24", "led"),
        ("\uff76\uff9e", "ガ"),
        ("soft\u00adware", "software"),
        ("شَمْس", "شمس"),
        ("שָׁלוֹם", "שלום"),
        ("❤\ufe0f", "❤"),
        ("İZMİR", "izmir"),
        ("5㎏", "5kg"),
        ("№5", "no5"),
        ("25℃", "25 °C"),
        ("⽇本茶", "日本茶"),
        ("Lamp™", "lamp tm"),
        ("葛\U000e0100城市", "葛城市"),
        ("ᠠ\u180bᠡ", "ᠠᠡ"),
        ("a\u3164b", "ab"),
    ],
)
def test_what_its_readers_take_for_one_word_is_one(one: str, other: str) -> None:
    assert words(one) == words(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("мой", "мои"),
        ("кожӗ", "коже"),
        ("कि", "की"),
        ("ক", "কা"),
        ("ขา", "ข้า"),
        ("か", "が"),
        ("أ", "ا"),  # noqa: RUF001 - Arabic
        ("ø", "o"),
        ("ı", "i"),  # noqa: RUF001 - two letters of Turkish
        ("C₂", "C"),
        ("⇍", "⇐"),
        ("゛か", "が"),
    ],
)
def test_other_words_stay_others(one: str, other: str) -> None:
    assert words(one) != words(other)


def test_a_word_ends_where_no_letter_digit_or_mark_is() -> None:
    assert words("a-b/c_d\u200be f\u3000g½ O'Neil 1.5") == [
        "a", "b", "c", "d", "e", "f", "g1", "2", "o", "neil", "1", "5",
    ]  # fmt: skip


def test_a_symbol_is_a_word() -> None:
    assert words("I❤NY☕") == ["i", "❤", "ny", "☕"]


def test_what_stands_for_letters_is_compared_as_these_are() -> None:
    """Whatever Unicode's compatibility mappings say of a character that is no letter."""
    mapped = {chr(code): unicodedata.normalize("NFKC", chr(code)) for code in range(sys.maxunicode)}
    standing = {
        each: letters
        for each, letters in mapped.items()
        if unicodedata.category(each)[0] in "SP" and letters != each and letters.isalnum()
    }
    assert len(standing) > 500
    assert {each for each, letters in standing.items() if words(each) != words(letters)} == set()


def test_a_run_without_spaces_is_found_by_any_part_of_it() -> None:
    assert words("LED電球") == ["led", "電球"]
    assert terms("東京都") == "東京 京都 都"


def test_a_word_of_any_length_is_a_lexeme_of_postgresql() -> None:
    assert len(terms("\U00010400" * 5_000).encode()) <= 4 * LONGEST < 2_046


@given(st.lists(st.text(st.characters(categories=["L", "M", "N"], max_codepoint=0x2FFF))))
def test_terms_are_words_and_fold_to_themselves(texts: list[str]) -> None:
    found = terms(*texts)
    assert found == " ".join(dict.fromkeys(found.split()))
    assert [each for each in found.split() if words(each) != [each]] == []
