"""The commands `import` and `export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from heliograph.cli import Program, with_service

if TYPE_CHECKING:
    from rich.progress import Progress

    from heliograph.settings import ServiceSettings
    from services.catalog.service import Catalog
    from services.catalog.transfer.importer import Tally

G = TypeVar("G", bound="ServiceSettings")

Source = Annotated[
    Path,
    typer.Argument(exists=True, dir_okay=False, readable=True, help="A .csv or .jsonl file."),
]
Target = Annotated[Path, typer.Argument(dir_okay=False, help="A .csv or .jsonl file.")]


def add_transfer(app: typer.Typer, program: "Program[G, Catalog]") -> None:
    """Add `import` and `export` to the catalog's command line."""

    @app.command("import")
    def import_(file: Source) -> None:
        """Insert or update products by SKU. They are announced with the origin "import".

        Run it again after an interruption: it goes on where it stopped. What is not accepted
        goes to FILE.rejects.jsonl, with its line and the reason: mend it there and import that.
        Exits with 1 if anything was not accepted.
        """
        from services.catalog.transfer.importer import Importer

        _check_name(file)

        async def main(service: "Catalog") -> None:
            with _bar() as bar:
                task = bar.add_task(file.name, total=file.stat().st_size)

                def show(done: int, tally: "Tally") -> None:
                    bar.update(task, completed=done, description=f"{file.name}: {tally}")

                importer = Importer(service.database, file, on_progress=show)
                tally = await importer.run()
            typer.echo(str(tally))
            if tally.rejected:
                typer.echo(f"The rejected ones are in {importer.rejects}.")
                raise typer.Exit(1)

        with_service(program, main, interrupted="interrupted: run it again, and it goes on")

    @app.command("export")
    def export_(file: Target) -> None:
        """Write all products to a file, as `import` takes it."""
        from services.catalog.repositories.products import ProductRepository
        from services.catalog.transfer.exporter import export

        _check_name(file)

        async def main(service: "Catalog") -> None:
            async with service.database.reading() as session:
                total = await ProductRepository(session).count()
            with _bar() as bar:
                task = bar.add_task(file.name, total=total)
                count = await export(
                    service.database,
                    file,
                    on_progress=lambda done: bar.update(task, completed=done),
                )
            typer.echo(f"{count} products")

        with_service(program, main)


def _check_name(file: Path) -> None:
    from services.catalog.transfer.formats import format_of
    from services.catalog.transfer.records import UnreadableFile

    try:
        format_of(file)
    except UnreadableFile as error:
        raise typer.BadParameter(str(error)) from error


def _bar() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
