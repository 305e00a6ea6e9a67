import ast
from collections.abc import Iterator
from pathlib import Path

from heliograph.http import PROBLEMS
from tools.problems_table import PAGE, page

ROOT = Path(__file__).parents[3]
CALLS = {"ProblemError", "problems", "response"}


def named(source: str) -> Iterator[str]:
    """The names of problems that a module raises, answers with or documents."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            names = node.args if node.func.id == "problems" else node.args[:1]
            for each in names:
                if isinstance(each, ast.Constant):
                    yield str(each.value)


def test_the_committed_table_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_problem_that_is_raised_stands_in_the_table() -> None:
    used = {
        name
        for package in ("shared", "services")
        for module in (ROOT / package).rglob("*.py")
        for name in named(module.read_text(encoding="utf-8"))
    }
    assert {"refused", "not-found", "conflict"} < used <= PROBLEMS.keys()
    for name in used:
        assert f"`urn:heliograph:problem:{name}`" in page()
