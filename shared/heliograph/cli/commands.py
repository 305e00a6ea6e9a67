"""The command line of a service: the same programs for each.

A command imports what it needs when it is called, so that `--help` answers at once.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from heliograph.cli.inbox import inbox_commands
from heliograph.cli.program import Program, typer_app, with_service
from heliograph.errors import HeliographError

if TYPE_CHECKING:
    from heliograph.service import Role, Service
    from heliograph.settings import ServiceSettings

G = TypeVar("G", bound="ServiceSettings")

LONGEST_LIFETIME_H = 24 * 366

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(help="Port to listen on; 0 for any free one.")]


def command_line(
    program: "Program[G, Service]", ports: "Mapping[Role, int]", what: Mapping[str, str]
) -> typer.Typer:
    """Build `serve`, `migrate`, `token`, `inbox`, and a command for each role but `api`.

    `ports` holds the roles that the service has with the port on which a program listens by
    default; `serve` has the one of `api`. `what` says of a role what its program does.
    """
    app = typer_app(f"Run and look after the {program.name}.")

    @app.command()
    def serve(
        only: Annotated[
            Literal["api"] | None,
            typer.Option(help="Answer requests and leave the rest to others."),
        ] = None,
        host: Host = "127.0.0.1",
        port: Port = ports["api"],
    ) -> None:
        """Run all that the service needs in one process."""
        _serve(program, ["api"] if only == "api" else [*ports], host, port)

    for role in ports:
        if role != "api":
            _add_role(app, program, role, ports[role], what[role])

    @app.command()
    def migrate() -> None:
        """Migrate the database and the broker: exchange, queues, bindings."""
        from heliograph.logging import configure
        from heliograph.service import migrate as migrate_service
        from heliograph.service import run
        from heliograph.settings import log_as

        async def main() -> None:
            settings = program.load()
            log_as(settings, otherwise="warning")
            await migrate_service(program.make, settings)

        configure("warning")
        run(main())
        typer.echo(f"The {program.name} is migrated.", err=True)

    @app.command()
    def revision(
        message: Annotated[str, typer.Argument(help="What it changes, in a line.")],
    ) -> None:
        """Draft a migration from the models. Read it before it is committed."""
        if not message.strip():
            raise typer.BadParameter("say what it changes")

        async def main(service: "Service") -> None:
            typer.echo(await service.migrations.draft(message))

        with_service(program, main, current=False)

    _add_token(app, program)
    app.add_typer(inbox_commands(program), name="inbox")
    return app


def _add_token(app: typer.Typer, program: "Program[G, Service]") -> None:
    @app.command()
    def token(
        subject: Annotated[str, typer.Option(help="Whom the token stands for.")],
        scope: Annotated[
            list[str],
            typer.Option(help=f"What it allows, such as {program.name}:admin; repeatable."),
        ],
        lifetime: Annotated[
            float, typer.Option(help="Hours until it expires.", min=0, max=LONGEST_LIFETIME_H)
        ] = 12,
    ) -> None:
        """Print a bearer token. Every program with the same settings accepts it."""
        from heliograph.tokens import Tokens

        try:
            tokens = Tokens.of(program.name, program.load())
            for each in scope:
                _check_scope(each, sorted({program.name, *program.peers}))
            typer.echo(tokens.issue(subject, scope, timedelta(hours=lifetime)))
        except HeliographError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from error


def _check_scope(scope: str, services: Sequence[str]) -> None:
    """Raise `InvalidToken` unless it is of one of these services."""
    from heliograph.tokens import SCOPE, InvalidToken

    found = SCOPE.fullmatch(scope)
    if found is None or found[1] not in services:
        raise InvalidToken(
            f"{scope!r} is not a scope: it is SERVICE:read, SERVICE:write or SERVICE:admin, "
            f"and SERVICE is {' or '.join(services)}"
        )


def _add_role(
    app: typer.Typer, program: "Program[G, Service]", role: "Role", default_port: int, what: str
) -> None:
    @app.command(role, help=what)
    def command(host: Host = "127.0.0.1", port: Port = default_port) -> None:
        _serve(program, [role], host, port)


def _serve(program: "Program[G, Service]", roles: "list[Role]", host: str, port: int) -> None:
    from heliograph.logging import configure
    from heliograph.service import run, serve
    from heliograph.settings import log_as

    async def main() -> None:
        settings = program.load()
        log_as(settings)
        await serve(program.make, settings, roles, host, port)

    configure()
    run(main())
