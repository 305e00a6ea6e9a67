"""The command `images check`."""

from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from heliograph.cli import Program, typer_app, with_service

if TYPE_CHECKING:
    from collections.abc import Callable

    from heliograph.settings import ServiceSettings
    from services.catalog.images.audit import Findings
    from services.catalog.service import Catalog

G = TypeVar("G", bound="ServiceSettings")


def images_commands(program: "Program[G, Catalog]") -> typer.Typer:
    """Build `images check`."""
    app = typer_app("Look after the files of images.")

    # With a callback typer keeps `check` a command of its own although it is the only one.
    @app.callback()
    def images() -> None:
        pass

    @app.command()
    def check(
        *,
        purge: Annotated[
            bool, typer.Option("--purge", help="Delete the files without an image.")
        ] = False,
    ) -> None:
        """List files without an image, and images without their files.

        Exits with 1 if there are any left.
        """
        from services.catalog.images.audit import ImageAudit

        bad = False

        async def main(service: "Catalog") -> None:
            nonlocal bad
            audit = ImageAudit(service.database, service.images)
            findings = await audit.check(_tell("looked at", each=100_000))
            _print(findings)
            bad = bool(findings)
            if purge:
                await audit.purge(findings.orphans, _tell("deleted", each=1_000))
                count = len(findings.orphans)
                typer.echo(f"{count} {'file' if count == 1 else 'files'} deleted")
                bad = bool(findings.missing)

        with_service(program, main)
        if bad:
            raise typer.Exit(1)

    return app


def _tell(what: str, each: int) -> "Callable[[int], None]":
    def tell(done: int) -> None:
        if done % each == 0:
            typer.echo(f"{done} files {what}", err=True)

    return tell


def _print(findings: "Findings") -> None:
    for orphan in findings.orphans:
        since = orphan.last_modified.isoformat(timespec="seconds")
        typer.echo(f"no image has the file {orphan.key}, {orphan.size} bytes, since {since}")
    for file in findings.missing:
        typer.echo(
            f"the image {file.image_id} of the product {file.product_id} lacks its file {file.key}"
        )
    if not findings:
        typer.echo("Every file has its image, and every image its files.")
