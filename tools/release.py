"""Freezes the contracts of today as those of a release: `make release VERSION=1.2.3`.

Copies them into a folder under `docs/released/`, which never changes afterwards, and gives what
`CHANGELOG.md` has as unreleased the version and the date. The version is what the code says that it
is. What is written is then looked at, committed and tagged.
"""

import argparse
import json
import re
import subprocess
import sys
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path

from services.starting import starting

with starting():
    from heliograph import __version__
    from tools.contract_gate import (
        RELEASED,
        ROOT,
        NoRelease,
        consumers,
        failures,
        releases,
        today,
        version,
    )

UNRELEASED = re.compile(r"^## Unreleased$", re.MULTILINE)


def release(name: str, root: Path, day: date) -> Path:
    """Freeze the contracts in the checkout at `root`; returns their folder.

    Raises:
        NoRelease: there is a reason against it. Nothing is written then.
    """
    _refuse_other_than_next(name, root)
    _refuse_what_the_code_is_not(name, root)
    changelog = root / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8")
    if not UNRELEASED.search(text):
        raise NoRelease("CHANGELOG.md has no section `## Unreleased`: write what is new")
    _refuse_uncommitted(root)
    now = today()
    if broken := failures(now, releases(root), consumers(root)):
        raise NoRelease("\n".join(broken))
    folder = root / RELEASED / name
    for path, document in now.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        content = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
        file.write_text(content + "\n", encoding="utf-8")
    dated = UNRELEASED.sub(f"## {name} - {day.isoformat()}", text, count=1)
    changelog.write_text(dated, encoding="utf-8")
    return folder


def _refuse_other_than_next(name: str, root: Path) -> None:
    wanted = version(name)
    known = [version(each) for each in releases(root)]
    if wanted in known:
        raise NoRelease(f"{name} is frozen, under {RELEASED}/{name}: a release never changes")
    if not known:
        return
    major, minor, patch = max(known)
    following = [(major, minor, patch + 1), (major, minor + 1, 0), (major + 1, 0, 0)]
    if wanted not in following:
        when = "from the past" if wanted < max(known) else "from the future"
        *others, last = [".".join(map(str, each)) for each in following]
        newest = ".".join(map(str, max(known)))
        raise NoRelease(f"{name} is {when}: after {newest} comes {', '.join(others)} or {last}")


def _refuse_what_the_code_is_not(name: str, root: Path) -> None:
    project = tomllib.loads((root / "shared/pyproject.toml").read_text(encoding="utf-8"))
    said = {
        "heliograph.__version__": __version__,
        "shared/pyproject.toml": project["project"]["version"],
    }
    others = [f"{where} says {what}" for where, what in said.items() if what != name]
    if others:
        raise NoRelease(f"this is not {name}: {', '.join(others)}; commit the new version first")


def _refuse_uncommitted(root: Path) -> None:
    git = ["git", "-C", str(root), "status", "--porcelain"]
    status = subprocess.run(git, capture_output=True, text=True, check=False)
    if status.returncode or status.stdout:
        raise NoRelease(
            "a release is of what is committed, and not all is: "
            f"{(status.stderr or status.stdout).strip()}"
        )


def main() -> None:
    """Freeze a release, or say in a sentence why not."""
    parser = argparse.ArgumentParser(description="Freeze the contracts of a release.")
    parser.add_argument("version", help="three numbers, as in 0.1.0")
    try:
        folder = release(parser.parse_args().version, ROOT, datetime.now(UTC).date())
    except NoRelease as error:
        sys.exit(str(error))
    print(f"Frozen under {folder.relative_to(ROOT)}. Look at it and at CHANGELOG.md, and commit.")


if __name__ == "__main__":
    main()
