"""Text by strangers, made fit for an email."""

import unicodedata

# Characters that change the direction of what follows, and so let a name rewrite the line.
_DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def one_line(text: str) -> str:
    """`text` as one line that no mail program reads as markup of a header.

    Control, separator and direction characters become spaces, runs of space one space, and
    `=?`, which begins an encoded word (RFC 2047), is broken.
    """
    if not text.isprintable():
        # All that is harmful is not printable.
        text = "".join(map(_harmless, text))
    return " ".join(text.split()).replace("=?", "= ?")


def paragraphs(text: str, length: int) -> list[str]:
    """The lines of `text` that are not empty, each as `one_line`, at most `length` characters.

    What does not fit is replaced by an ellipsis.
    """
    found = []
    for line in filter(None, map(one_line, text.splitlines())):
        found.append(fitted("", line, "", length))
        length -= len(line)
        if length <= 0:
            break
    return found


def fitted(before: str, text: str, after: str, length: int) -> str:
    """The three together, with `text` cut short by an ellipsis to keep within `length`."""
    room = max(length - len(before) - len(after), 1)
    if len(text) > room:
        text = text[: room - 1].rstrip() + "…"
    return before + text + after


def _harmless(character: str) -> str:
    # Cs, a lone surrogate, cannot be encoded.
    if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}:
        return " "
    return " " if unicodedata.bidirectional(character) in _DIRECTIONS else character
