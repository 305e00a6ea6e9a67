"""The JSON Schemas of all events, bodies and headers, and the AsyncAPI document, under `docs/`.

python -m tools.schemas          writes them
python -m tools.schemas --check  fails if that would change anything
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from services.starting import starting

with starting():
    from heliograph.asyncapi import body_schema, header_schema
    from services.catalog.service import Catalog

DOCS = Path(__file__).parent.parent / "docs"


def documents() -> dict[Path, str]:
    """The content of each file, by its path below `docs/`."""
    found = {Path("asyncapi.json"): _json(Catalog.asyncapi())}
    for each in Catalog.announces():
        found[Path("schemas") / f"{each.type}.json"] = _json(body_schema(each))
        found[Path("schemas") / f"{each.type}.headers.json"] = _json(header_schema(each))
    return found


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def stale(docs: Path) -> list[Path]:
    """Which files below `docs` are missing, differ, or describe an event that is no more."""
    wanted = documents()
    there = {path.relative_to(docs) for path in docs.glob("schemas/*.json")}
    return sorted(
        path
        for path in wanted.keys() | there
        if path not in wanted
        or not (docs / path).exists()
        or (docs / path).read_text(encoding="utf-8") != wanted[path]
    )


def write(docs: Path) -> None:
    """Bring the files below `docs` up to date."""
    wanted = documents()
    for path in stale(docs):
        if path in wanted:
            (docs / path).parent.mkdir(parents=True, exist_ok=True)
            (docs / path).write_text(wanted[path], encoding="utf-8")
        else:
            (docs / path).unlink()


def main() -> None:
    """Write the files, or compare them with `--check`."""
    parser = argparse.ArgumentParser(description="Write the schemas of all events under docs/.")
    parser.add_argument("--check", action="store_true", help="only compare")
    if not parser.parse_args().check:
        write(DOCS)
    elif found := stale(DOCS):
        names = ", ".join(str(path) for path in found)
        sys.exit(f"docs: not current: {names}; run python -m tools.schemas")


if __name__ == "__main__":
    main()
