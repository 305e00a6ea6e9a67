"""The catalog's programs: `python -m services.catalog`."""

from typing import TYPE_CHECKING

from services.starting import starting

with starting():
    from heliograph.cli import Program, command_line, outbox_commands
    from services.catalog.cli.images import images_commands
    from services.catalog.cli.transfer import add_transfer

if TYPE_CHECKING:
    from heliograph.bus import Bus
    from services.catalog.service import Catalog
    from services.catalog.settings import CatalogSettings


def _settings() -> "type[CatalogSettings]":
    from services.catalog.settings import CatalogSettings

    return CatalogSettings


def _catalog(settings: "CatalogSettings", bus: "Bus") -> "Catalog":
    from services.catalog.service import Catalog

    return Catalog(settings, bus)


program = Program("catalog", _settings, _catalog, peers=("notifier", "console"))
app = command_line(
    program,
    {"api": 8000, "relay": 8010, "work": 8020},
    {
        "relay": "Publish the events of the outbox.",
        "work": "Count views, and purge the files of failed uploads.",
    },
)
add_transfer(app, program)
app.add_typer(images_commands(program), name="images")
app.add_typer(outbox_commands(program, lambda service: service.outbox), name="outbox")

if __name__ == "__main__":
    app(prog_name="python -m services.catalog")
