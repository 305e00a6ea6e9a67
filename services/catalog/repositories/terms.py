"""Terms: what a text is found by, the same for what is searched and for what is asked.

A word is a run of letters, digits and the marks that belong to them, in whatever script; a symbol
is a word of its own, unless it stands for letters, such as ㎏. Words are compared as Unicode's
NFKC_Casefold has it (UAX 31, 5.1), and without the accents that their readers leave out when they
type. Scripts that put no space between words are cut into pairs of characters.
"""

import re
import unicodedata

LONGEST = 250
"""Characters of a word that count; PostgreSQL takes lexemes of at most 2,046 bytes."""

# Marks that are written or left out: accents of Latin and Greek, stress in Cyrillic, vowel
# points of Hebrew and Arabic (not hamza and madda), Arabic's filling line. Those of other
# scripts, such as the vowel signs of India's or the tones of Thai, make another word.
_ACCENTS = re.compile(
    "[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640"
    "\u064b-\u0652\u0656-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u1ab0-\u1aff"
    "\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)

# Han with its repetition marks, kana, Bopomofo; Thai, Lao, Burmese, Khmer.
_UNSPACED = (
    "\u3005-\u3007\u3021-\u3029\u3040-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17dd"
)
_WORD = re.compile(f"[{_UNSPACED}]+|[^ {_UNSPACED}]+")
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")


class _Folding(dict[int, str]):
    """What becomes of each character, worked out when one is first met."""

    def __missing__(self, code: int) -> str:
        folded = self[code] = _fold(chr(code))
        return folded


# Letters and marks that are never seen: fillers, and what chooses between pictures of a character.
_UNSEEN = re.compile(
    "[\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)


def _fold(character: str) -> str:
    kind = unicodedata.category(character)
    # It ends no word, but for the space that has no width.
    if kind == "Cf" or _UNSEEN.match(character):
        return " " if character == "\u200b" else ""
    parts = unicodedata.normalize("NFKD", character)
    if kind[0] not in "LMN":
        stands_for = unicodedata.decomposition(character)
        if not stands_for.startswith("<") or kind == "Sk":
            return _part(character)
        # ™ is no end of the word that it stands behind.
        return f" {_plain(parts)} " if stands_for.startswith("<super>") else _plain(parts)
    if "\u0400" <= parts[0] <= "\u052f" and parts.casefold() not in _STRESSED:
        return character.casefold()
    return _plain(parts)


def _plain(parts: str) -> str:
    folded = unicodedata.normalize("NFKD", _ACCENTS.sub("", parts).casefold())
    return "".join(map(_part, folded))


def _part(character: str) -> str:
    kind = unicodedata.category(character)
    if kind[0] in "LMN":
        return character
    return f" {character} " if kind == "So" else " "


_STRESSED = {"\u0435\u0308", "\u0435\u0300", "\u0438\u0300"}
"""Cyrillic Ё, and letters with a stress: of all others, such as Й, the mark makes a letter."""

_FOLDING = _Folding()


def words(text: str) -> list[str]:
    """The words of a text, folded, in its order; those of unspaced scripts as runs of their own."""
    folded = unicodedata.normalize("NFC", text).translate(_FOLDING)
    return _WORD.findall(unicodedata.normalize("NFC", folded))


def is_unspaced(word: str) -> bool:
    """Whether a word of `words` is a run in which no space parts the words."""
    return not word.isascii() and _IS_UNSPACED.match(word) is not None


def pairs(run: str) -> list[str]:
    """Each two neighbours of a run; the run itself if it is a single character."""
    return [run[place : place + 2] for place in range(len(run) - 1)] or [run]


def terms(*texts: str) -> str:
    """What the texts are found by, each term once, with a space between them.

    Of a run each character begins a term, so that a single one is found as a beginning too.
    """
    found: list[str] = []
    for word in dict.fromkeys(words(" ".join(texts))):
        if is_unspaced(word):
            found += pairs(word)
            found.append(word[-1])
        else:
            found.append(word[:LONGEST])
    return " ".join(dict.fromkeys(found))
