"""What an event changed, field by field."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

MOST_PAIRS = 40_000
"""Of words between the ends that two texts have in common: beyond, words are not compared."""
LONGEST = 160
"""Characters of a stretch that are shown before somebody unfolds it."""

_WORD = re.compile(r"\s*\S+|\s+")


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of a value, and whether the other value lacks it."""

    text: str
    differs: bool = False


@dataclass(frozen=True, slots=True)
class Value:
    """A field's value before or after."""

    whole: Sequence[Stretch]
    """Empty for null."""

    @property
    def short(self) -> Sequence[Stretch]:
        """With only the ends of stretches that are long."""
        return [Stretch(_cut(each.text), each.differs) for each in self.whole]


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that the event changed."""

    field: str
    before: Value
    after: Value


def differences(
    changes: Mapping[str, Any] | None, say: Callable[[str], str] = str
) -> Sequence[Difference]:
    """Read `changes` of an event's body; `say` makes each text fit for who looks."""
    found = []
    for field, change in (changes or {}).items():
        before, after = change.get("from"), change.get("to")
        texts = [None if each is None else say(_text(each)) for each in (before, after)]
        if isinstance(before, str) and isinstance(after, str) and (" " in before or " " in after):
            values = _compared(*map(str, texts))
        else:
            values = [Value(()) if text is None else Value([Stretch(text)]) for text in texts]
        found.append(Difference(say(field), *values))
    return found


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"


def _compared(before: str, after: str) -> Sequence[Value]:
    """Mark the words that only one of two texts has."""
    a, b = _WORD.findall(before), _WORD.findall(after)
    start = _common(a, b)
    end = _common(a[start:][::-1], b[start:][::-1])
    inner_a, inner_b = a[start : len(a) - end], b[start : len(b) - end]
    if len(inner_a) * len(inner_b) > MOST_PAIRS:
        blocks = [(0, len(inner_a), 0, len(inner_b), True)]
    else:
        matcher = SequenceMatcher(None, inner_a, inner_b, autojunk=False)
        blocks = [(i, k, j, m, tag != "equal") for tag, i, k, j, m in matcher.get_opcodes()]
    head, tail = a[:start], a[len(a) - end :]
    return [
        Value(
            [*_stretches(head, [(inner_a[i:k], differs) for i, k, _, _, differs in blocks], tail)]
        ),
        Value(
            [*_stretches(head, [(inner_b[j:m], differs) for _, _, j, m, differs in blocks], tail)]
        ),
    ]


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    """How many words two texts have in common at their beginnings."""
    shorter = min(len(a), len(b))
    return next((place for place in range(shorter) if a[place] != b[place]), shorter)


def _stretches(
    head: Sequence[str], middle: Sequence[tuple[Sequence[str], bool]], tail: Sequence[str]
) -> Iterator[Stretch]:
    for words, differs in ((head, False), *middle, (tail, False)):
        if words:
            yield Stretch("".join(words), differs)
