"""A service of another repository, as `docs/a-new-service.md` writes it, and the wheel."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/a-new-service.md").read_text()
TESTING = (ROOT / "docs/testing.md").read_text()


def uv(*words: str | Path) -> None:
    """Run the uv of our own environment."""
    subprocess.run([sys.executable, "-m", "uv", "--quiet", *words], check=True)


def build_wheel(folder: Path) -> Path:
    """Build the library as `make wheel` does; returns the wheel."""
    uv("build", "--wheel", "--offline", "--out-dir", folder, ROOT / "shared")
    [built] = folder.glob("heliograph-*.whl")
    return built


def write_files(folder: Path, page: str = PAGE) -> list[str]:
    """Write the page's files; returns their names."""
    files = re.findall(r"^`([\w./]+)`\n\n```\w+\n(.*?)```", page, re.DOTALL | re.MULTILINE)
    for name, content in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return [name for name, _ in files]


def commands(section: str) -> list[str]:
    """The lines that a section of the page has for a terminal."""
    [text] = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
