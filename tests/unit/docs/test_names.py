"""What the pages name is there: files, functions, tests, lines of code."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "shared/*.md", "benchmarks/*.md")
    for path in ROOT.glob(pattern)
    # Its files are those of another repository.
    if path.name != "a-new-service.md"
)
OURS = ("shared", "services", "tests", "tools", "chaos", "benchmarks")
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text()


@cache
def definitions(path: Path) -> dict[str, str]:
    """Every class, function and method of a file by its qualified name, with its source."""
    source = path.read_text()
    found: dict[str, str] = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for each in ast.iter_child_nodes(node):
            if isinstance(each, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                found[prefix + each.name] = ast.get_source_segment(source, each) or ""
                visit(each, f"{prefix}{each.name}.")
            elif isinstance(each, ast.Assign):
                names = [name.id for name in each.targets if isinstance(name, ast.Name)]
                found.update({prefix + name: "" for name in names})

    visit(ast.parse(source), "")
    return found


@cache
def all_names() -> frozenset[str]:
    """Names of everything that is defined anywhere, of test files too."""
    names = set()
    for folder in OURS:
        for path in (ROOT / folder).rglob("*.py"):
            names |= {path.name, path.stem, *definitions(path)}
    return frozenset(names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_and_test_that_a_page_names_is_there(page: Path) -> None:
    # Without code, and the names of files that the page itself writes.
    code = r"(^`[\w./]+`\n\n)?```.*?```"
    text = re.sub(code, "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for path in re.findall(rf"`((?:{'|'.join(OURS)}|docs|deploy|requirements)/[\w./*-]+)`", text):
        assert list(ROOT.glob(path.rstrip("/"))), f"`{path}` is not there"
    for name in re.findall(r"`(test_\w+(?:\.py)?)`", text):
        assert name in all_names(), f"`{name}` is not there"
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in link:
            assert (page.parent / link).exists(), f"({link}) is not there"


ROWS = re.findall(
    r"^\| `([\w.]+)` \| \[(\S+)\]\(\.\./(\S+)\) \| (.+) \|$", ARCHITECTURE, re.MULTILINE
)


@pytest.mark.parametrize(
    ("function", "file", "link", "does"),
    ROWS,
    ids=[f"{row[0]}-{number}" for number, row in enumerate(ROWS)],
)
def test_every_step_of_the_way_is_where_the_page_says(
    function: str, file: str, link: str, does: str
) -> None:
    assert file == link
    found = definitions(ROOT / file)
    assert function in found
    for line in re.findall(r"`((?:await |self\.|\w+ = )[^`]+)`", does):
        assert line in found[function]


def test_the_page_names_every_kind_of_step() -> None:
    assert len(ROWS) > 25
    for line in ("writes the outbox rows", "acks", "sends the email"):
        assert f"**{line}**" in ARCHITECTURE


def test_what_keeps_a_promise_and_what_tries_it_is_there() -> None:
    [table] = re.findall(r"^\| promise .*?(?=\n\n)", ARCHITECTURE, re.DOTALL | re.MULTILINE)
    names = re.findall(r"`(?!make)([\w.]+)`", table)
    assert len(names) > 30
    for name in names:
        assert name in all_names(), f"`{name}` is not there"
