"""Lines of a file, whatever ends them: LF, CR LF or CR."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

LONGEST_LINE = 1_000_000
"""Bytes; no product has as many, so a longer line is damaged."""
BLOCK = 65_536


@dataclass(frozen=True, slots=True)
class Line:
    """A line with what ends it; `problem` says why it is not to be trusted."""

    number: int
    """From 1."""
    end: int
    """The byte behind it."""
    text: str
    problem: str = ""


def lines(
    file: IO[bytes], start: int = 0, number: int = 1, *, longest: int = LONGEST_LINE
) -> Iterator[Line]:
    """Read lines from byte `start`, which is where line `number` begins.

    Of one that has more than `longest` bytes the text is left out.
    """
    file.seek(start)
    end = start
    for raw, size in _split(file, longest):
        text, problem = "", ""
        if size > longest:
            problem = f"it has more than {longest} bytes"
        else:
            mark = codecs.BOM_UTF8 if end == 0 else b""
            text, problem = _decoded(raw.removeprefix(mark))
        end += size
        yield Line(number, end, text, problem)
        number += 1


def _decoded(raw: bytes) -> tuple[str, str]:
    try:
        return raw.decode(), ""
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace"), "it is not UTF-8"


def _split(file: IO[bytes], longest: int) -> Iterator[tuple[bytes, int]]:
    """Give each line and its size; of one that is too long perhaps only its end."""
    rest, dropped = b"", 0
    while True:
        block = file.read(BLOCK)
        whole = (rest + block).splitlines(keepends=True)
        # What a CR ends may have a LF in the next block.
        rest = whole.pop() if block and whole and not whole[-1].endswith(b"\n") else b""
        for raw in whole:
            yield raw, dropped + len(raw)
            dropped = 0
        if not block:
            return
        if len(rest) > longest:
            dropped += len(rest) - 1
            rest = rest[-1:]
