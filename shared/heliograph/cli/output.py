"""How commands print what they found."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

WIDE = 200
"""Columns of a table that is not shown on a terminal, so that nothing is cut."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows below the names of their columns, nothing of them cut."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)


def print_message(fields: dict[str, Any]) -> None:
    """Print what is known of a message, its headers and its body, each below the other."""
    headers, body = fields.pop("headers"), fields.pop("body")
    for name, value in (*fields.items(), *headers.items()):
        typer.echo(f"{visible(name):<22} {visible(value)}")
    typer.echo(f"\n{visible(body)}")


def print_json(value: object) -> None:
    """Print JSON; moments as ISO 8601 writes them."""
    typer.echo(json.dumps(value, indent=2, default=datetime.isoformat, allow_nan=False))


def visible(value: object) -> str:
    """Text from elsewhere, without what would steer the terminal."""
    return "".join(
        each if each.isprintable() or each == "\n" else f"\\u{ord(each):04x}" for each in str(value)
    )
