"""The page for who comes from Django, as tests do what it says."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/coming-from-django.md").read_text()


def files() -> dict[str, str]:
    """The page's files by their names; those that it writes in pieces are one."""
    found: dict[str, str] = {}
    for name, piece in re.findall(
        r"^`([\w./]+)`\n\n```python\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE
    ):
        found[name] = f"{found[name]}\n\n{piece}" if name in found else piece
    return found


def write(folder: Path, beginning: str) -> None:
    """Write those of the page's files whose names begin so."""
    for name, content in files().items():
        if name.startswith(beginning):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)


def rows(section: str) -> list[list[str]]:
    """The rows of a section's table."""
    [text] = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]
