"""The table of problems in `docs/problems.md`, written from `heliograph.http`.

python -m tools.problems_table          writes it
python -m tools.problems_table --check  fails if that would change anything
"""

import argparse
import sys
from pathlib import Path

from services.starting import starting

with starting():
    from heliograph.http import MEDIA_TYPE, PROBLEMS, problem_type

PAGE = Path(__file__).parent.parent / "docs" / "problems.md"

ABOUT = f"""\
# Problems

Every error that a client of either service sees is a problem document (RFC 9457, media
type `{MEDIA_TYPE}`). Its `type` is one of these and stays the same: compare that, for
`title` and `detail` are for people. `detail` says what is wrong this time; in a refusal it
has the words of the receiver that refused. `errors`, where there are any, name each part
of the request that is wrong, by `pointer` into the body or by `parameter`.

Another error of HTTP has the type `about:blank`.
"""


def page() -> str:
    """The page, in Markdown."""
    rows = ["| status | `type` | title | meaning |", "|---|---|---|---|"]
    rows += [
        f"| {kind.status} | `{problem_type(name)}` | {kind.title} | {kind.description} |"
        for name, kind in PROBLEMS.items()
    ]
    return "\n".join([ABOUT, *rows, ""])


def main() -> None:
    """Write the page, or compare it with `--check`."""
    parser = argparse.ArgumentParser(description="Write the table of problems.")
    parser.add_argument("--check", action="store_true", help="only compare")
    if not parser.parse_args().check:
        PAGE.write_text(page(), encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
        sys.exit("docs/problems.md is not current; run python -m tools.problems_table")


if __name__ == "__main__":
    main()
