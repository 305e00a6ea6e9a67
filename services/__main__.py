"""Every service in one process, on embedded parts by default: `python -m services`."""

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated
from urllib.parse import unquote, urlsplit

from services.starting import starting

with starting():
    import typer

    from heliograph.cli import typer_app

if TYPE_CHECKING:
    from services.embedded import Embedded

app = typer_app("Run every service in one process, migrated.")


@app.command()
def run(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            help="The catalog's port; notifier and console have the next two; 0 for free ones."
        ),
    ] = 8000,
) -> None:
    """Run the catalog, the notifier and the console in one process, migrated."""
    from heliograph.logging import configure
    from heliograph.service import run as run_program

    configure()
    run_program(_main(host, port))


async def _main(host: str, port: int) -> None:
    import asyncio
    import os

    from heliograph.service import run_parts
    from heliograph.settings import log_as
    from services.embedded import embedded

    async with embedded(host, port, os.environ, configured=log_as) as house:
        greeting = asyncio.create_task(_greet(house))
        try:
            await run_parts(house.parts)
        finally:
            greeting.cancel()


async def _greet(house: "Embedded") -> None:
    """Say where everything is, once it answers."""
    from rich.console import Console
    from rich.text import Text

    for server in house.servers:
        await server.ready.wait()
    lines = [
        ("catalog", house.catalog_url),
        ("", f"{house.catalog_url}/docs"),
        ("notifier", house.notifier_url),
        ("", f"{house.notifier_url}/docs"),
        ("console", await house.console.sign_in_link("developer", "console:admin")),
        ("images", _place(house.catalog_settings.image_store_url)),
        ("mail", _place(house.notifier_settings.smtp_url)),
        *(("token", token) for token in house.development_tokens()),
    ]
    console = Console(soft_wrap=True, highlight=False)
    # Rich would exit if nobody reads on; what serves goes on.
    with suppress(SystemExit):
        for name, value in lines:
            console.print(Text(f"{name:<10}", style="bold cyan"), Text(value), sep="")


def _place(url: str) -> str:
    """A directory as its path, anything else as its URL without what may be secret."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return unquote(parts.path)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


if __name__ == "__main__":
    app(prog_name="python -m services")
