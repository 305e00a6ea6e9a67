"""The table of settings in `README.md`, written from the settings classes.

python -m tools.settings_table          rewrites what stands between the markers
python -m tools.settings_table --check  fails if that would change anything
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from services.starting import starting

with starting():
    from pydantic.fields import FieldInfo

    from heliograph.secret_files import SUFFIX
    from heliograph.settings import DEVELOPMENT_KEY, ServiceSettings
    from services.catalog.settings import CatalogSettings
    from services.console.settings import ConsoleSettings
    from services.notifier.settings import NotifierSettings

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- settings -->", "<!-- /settings -->"


def table() -> str:
    """Every setting of every service, in Markdown."""
    rows = ["| variable | default | |", "|---|---|---|"]
    for settings in (CatalogSettings, NotifierSettings, ConsoleSettings):
        rows += _rows(settings)
    return "\n".join(rows)


def _rows(settings: type[ServiceSettings]) -> Iterator[str]:
    for name, field in settings.model_fields.items():
        variable = f"`{settings.prefix}{name.upper()}`"
        if name in settings.secrets():
            variable += f", `{settings.prefix}{name.upper()}{SUFFIX}`"
        yield f"| {variable} | {_default(field)} | {field.description} |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True, validated_data={})
    if default == DEVELOPMENT_KEY:
        return "a fixed one for development"
    if default == "":
        return "empty"
    if default in (None, ()):
        return "none"
    return f"`{str(default).replace(Path.cwd().as_uri(), 'file://$PWD')}`"


def with_table(readme: str) -> str:
    """The README with the table of today. Raises `ValueError` if it has no markers."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main() -> None:
    """Renew the table, or compare it with `--check`."""
    parser = argparse.ArgumentParser(description="Renew the table of settings in README.md.")
    parser.add_argument("--check", action="store_true", help="only compare")
    check = parser.parse_args().check
    readme = README.read_text(encoding="utf-8")
    renewed = with_table(readme)
    if renewed == readme:
        return
    if check:
        sys.exit(
            "README.md: the table of settings is not current; run python -m tools.settings_table"
        )
    README.write_text(renewed, encoding="utf-8")


if __name__ == "__main__":
    main()
