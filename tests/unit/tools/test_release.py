"""What `make release` freezes, and what it refuses, in checkouts of a moment."""

import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from heliograph import __version__
from tools.contract_gate import NoRelease, read, today, version
from tools.release import release

DAY = date(2026, 3, 1)
CHANGELOG = "# Changelog\n\n## Unreleased\n\n### Added\n\n- A lamp.\n\n## 0.0.1 - 2026-01-01\n"

Checkout = Callable[..., Path]


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-m", "Do it")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Makes a checkout in which these releases are frozen, and commits it."""

    def made(*frozen: str, project: str = __version__, changelog: str = CHANGELOG) -> Path:
        git(tmp_path, "init")
        (tmp_path / "CHANGELOG.md").write_text(changelog)
        (tmp_path / "shared").mkdir()
        (tmp_path / "shared/pyproject.toml").write_text(f'[project]\nversion = "{project}"\n')
        for name in frozen:
            folder = tmp_path / "docs/released" / name
            folder.mkdir(parents=True)
            (folder / "queues.json").write_text("{}")
        commit(tmp_path)
        return tmp_path

    return made


def before() -> str:
    """A version that the code's may follow."""
    major, minor, patch = version(__version__)
    if patch:
        return f"{major}.{minor}.{patch - 1}"
    return f"{major}.{minor - 1}.0" if minor else f"{major - 1}.0.0"


def test_a_release_holds_the_contracts_of_today_and_heads_the_changelog(checkout: Checkout) -> None:
    root = checkout(before())

    folder = release(__version__, root, DAY)

    assert folder == root / "docs/released" / __version__
    assert read(folder) == today()
    assert {"asyncapi.json", "queues.json", "schemas"} == {each.name for each in folder.iterdir()}
    headed = CHANGELOG.replace("## Unreleased", f"## {__version__} - 2026-03-01")
    assert (root / "CHANGELOG.md").read_text() == headed


def refused(root: Path, name: str = __version__) -> str:
    """Why a release is refused; asserts that nothing is written."""
    there = {path: path.stat().st_mtime_ns for path in root.rglob("*") if ".git" not in path.parts}
    with pytest.raises(NoRelease) as raised:
        release(name, root, DAY)
    assert there == {
        path: path.stat().st_mtime_ns for path in root.rglob("*") if ".git" not in path.parts
    }
    return str(raised.value)


def test_a_release_is_frozen_once(checkout: Checkout) -> None:
    assert refused(checkout(__version__)) == (
        f"{__version__} is frozen, under docs/released/{__version__}: a release never changes"
    )


@pytest.mark.parametrize("name", ["", "1.0", "v1.0.0", "1.0.0rc1", "../1.0.0"])
def test_a_release_has_three_numbers(checkout: Checkout, name: str) -> None:
    assert refused(checkout(), name) == (
        f"'{name}' is no version: write three numbers, as in 0.1.0"
    )


@pytest.mark.parametrize(
    ("name", "when"), [("0.0.0", "past"), ("0.0.9", "future"), ("9.0.0", "future")]
)
def test_a_release_is_the_next(checkout: Checkout, name: str, when: str) -> None:
    assert refused(checkout("0.0.1"), name) == (
        f"{name} is from the {when}: after 0.0.1 comes 0.0.2, 0.1.0 or 1.0.0"
    )


def test_a_release_is_what_the_code_says(checkout: Checkout) -> None:
    assert refused(checkout(), "9.0.0") == (
        f"this is not 9.0.0: heliograph.__version__ says {__version__}, "
        f"shared/pyproject.toml says {__version__}; commit the new version first"
    )


def test_a_release_is_what_the_distribution_says(checkout: Checkout) -> None:
    assert refused(checkout(project="0.0.3")) == (
        f"this is not {__version__}: shared/pyproject.toml says 0.0.3; commit the new version first"
    )


def test_a_release_has_something_new(checkout: Checkout) -> None:
    assert refused(checkout(changelog="# Changelog\n")) == (
        "CHANGELOG.md has no section `## Unreleased`: write what is new"
    )


def test_a_release_is_of_what_is_committed(checkout: Checkout) -> None:
    root = checkout()
    (root / "new.txt").touch()

    assert refused(root) == "a release is of what is committed, and not all is: ?? new.txt"


def test_a_release_breaks_no_reader_of_another(checkout: Checkout) -> None:
    root = checkout(before())
    (root / "docs/released" / before() / "queues.json").write_text(
        '{"notifier.gone": {"arguments": {}, "bindings": []}}'
    )
    commit(root)

    assert refused(root).startswith(f"notifier.gone breaks programs of {before()}: it is gone.")
