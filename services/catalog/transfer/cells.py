"""Cells of CSV files that a spreadsheet would run: written so that it shows them.

A spreadsheet takes a cell for a formula that begins with one of a few characters. An apostrophe
before it, as spreadsheets have it, makes it text; reading takes the apostrophe away. A cell that
looks like a guarded one is guarded too, so that everything comes back as it was. The characters
are OWASP's: https://owasp.org/www-community/attacks/CSV_Injection
"""

import re

_RUN = (
    r"['\s]*[=+\-@\t\r\n\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}"
    r"\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}]"
)
_WOULD_RUN = re.compile(_RUN)
_GUARDED = re.compile(f"'{_RUN}")


def guarded(cell: str) -> str:
    """Put an apostrophe before what would run, or looks as if it had one already."""
    return f"'{cell}" if _WOULD_RUN.match(cell) else cell


def unguarded(cell: str) -> str:
    """Undo `guarded`; cells that it never gives stay as they are."""
    return cell[1:] if _GUARDED.match(cell) else cell
