"""The docker compose stack: started until all is healthy, ended until nothing is left.

Needs nothing but Python and Docker with Compose 1.29 or 2.

python -m tools.stack up    build, start, wait and print the URLs
python -m tools.stack down  remove containers, network and volumes
python -m tools.stack logs  follow what the containers say
"""

import argparse
import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SETTINGS = ROOT / ".env"
SECRETS = (
    "POSTGRES_PASSWORD",
    "CATALOG_DATABASE_PASSWORD",
    "NOTIFIER_DATABASE_PASSWORD",
    "CONSOLE_DATABASE_PASSWORD",
    "RABBITMQ_PASSWORD",
    "CATALOG_BUS_PASSWORD",
    "NOTIFIER_BUS_PASSWORD",
    "CONSOLE_BUS_PASSWORD",
    "S3_SECRET_KEY",
    "CATALOG_S3_SECRET_KEY",
    "NOTIFIER_S3_SECRET_KEY",
    "CATALOG_SECRET_KEY",
    "NOTIFIER_SECRET_KEY",
    "CONSOLE_SECRET_KEY",
)
ONE_PORT = {"CATALOG_PORTS": "8000", "NOTIFIER_PORTS": "8010", "CONSOLE_PORTS": "8040"}
"""Docker takes the next of a range at every start, and emails hold links."""
BUILD_ARGUMENTS = ("PIP_INDEX_URL", "PIP_TRUSTED_HOST")
"""Handed on to the builder where the environment has them."""
PINNED = re.compile(r"\$\{(\w+_IMAGE):-([^}]+)\}")
"""How `docker-compose.yml` names an image of others: a variable, and the version without it."""
HEALTHY_WITHIN = 180.0
PORT = "8000/tcp"
"""Where a container of ours listens."""


class StackError(Exception):
    """The stack cannot be had; the message says why in a line."""


@dataclass(frozen=True)
class Container:
    """One container as the engine sees it."""

    id: str
    service: str
    running: bool
    exit_code: int
    health: str | None
    """None for one without a health check."""

    @property
    def well(self) -> bool:
        """Healthy if it serves, ended without an error if it had one thing to do."""
        return self.health == "healthy" if self.running else self.exit_code == 0


def write_secrets(path: Path, **more: object) -> None:
    """Add to a file of settings a random value for every secret that it lacks, and `more`.

    Only its owner may read a file that this makes.
    """
    given = names(path)
    wanted = {**more, **{name: secrets.token_hex(24) for name in SECRETS}}
    missing = [f"{name}={value}\n" for name, value in wanted.items() if name not in given]
    if missing:
        path.touch(mode=0o600)
        with path.open("a") as file:
            file.writelines(["\n" if given else "", *missing])


def names(path: Path) -> set[str]:
    """Which variables a file of settings sets; none if there is no file."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {line.partition("=")[0].strip() for line in lines if "=" in line}


def compose_command() -> list[str]:
    """The Compose that is here; raise `StackError` if none is, or no engine answers."""
    if shutil.which("docker") is None:
        raise StackError("Docker is not installed.")
    if not _succeeds("docker", "info"):
        raise StackError("No Docker engine answers.")
    if _succeeds("docker", "compose", "version"):
        return ["docker", "compose"]
    if shutil.which("docker-compose") is not None:
        return ["docker-compose"]
    raise StackError("Docker has no Compose: neither `docker compose` nor docker-compose is here.")


class Stack:
    """The services of `docker-compose.yml` under one project name, and the files that add to it.

    Raises `StackError` for whatever Docker refuses.
    """

    def __init__(self, project: str, settings: Path, *files: Path) -> None:
        self.project = project
        self._compose = [
            *compose_command(),
            *("--project-name", project, "--env-file", str(settings)),
            *(part for file in (ROOT / "docker-compose.yml", *files) for part in ("-f", str(file))),
        ]

    def compose(self, *arguments: str) -> None:
        """Run Compose and let it speak."""
        if subprocess.run([*self._compose, *arguments], cwd=ROOT, check=False).returncode:
            raise StackError(f"docker compose {arguments[0]} failed.")

    def build(self) -> None:
        os.environ.update(_stand_ins())
        given = [f"{name}={os.environ[name]}" for name in BUILD_ARGUMENTS if os.environ.get(name)]
        self.compose("build", *(part for each in given for part in ("--build-arg", each)))

    def up(self, scale: Mapping[str, int] | None = None, *, keep: bool = False) -> float:
        """Start what does not run and wait until all is well; return the seconds it took.

        Unless told to `keep` them, containers whose settings or image changed are replaced.
        """
        began = time.monotonic()
        options = [f"--scale={service}={count}" for service, count in (scale or {}).items()]
        options += ["--no-recreate"] if keep else []
        try:
            self.compose("up", "--detach", "--remove-orphans", *options)
        except StackError as error:
            raise StackError(f"{error}\n{self._last_words()}") from error
        self.wait()
        return time.monotonic() - began

    def wait(self, within: float = HEALTHY_WITHIN) -> None:
        """Wait until every container is well; raise `StackError` naming those that are not."""
        deadline = time.monotonic() + within
        while ill := [each for each in self.containers() if not each.well]:
            if time.monotonic() > deadline:
                names = ", ".join(sorted({each.service for each in ill}))
                raise StackError(f"Not healthy within {within:g} s: {names}; see `make logs`.")
            time.sleep(0.5)

    def down(self) -> None:
        """Remove the containers, their network and their volumes."""
        self.compose("down", "--volumes", "--remove-orphans")

    def containers(self, service: str | None = None) -> list[Container]:
        """What there is of the project, or of one of its services."""
        labels = [f"project={self.project}", "oneoff=False"]
        labels += [f"service={service}"] if service else []
        filters = [f"--filter=label=com.docker.compose.{label}" for label in labels]
        ids = docker("ps", "--all", "--quiet", *filters).split()
        return [_container(each) for each in json.loads(docker("inspect", *ids))] if ids else []

    def _last_words(self) -> str:
        failed = [each for each in self.containers() if not each.running and each.exit_code]
        return "\n".join(
            f"{each.service} said: {docker('logs', '--tail=5', each.id).strip()}" for each in failed
        )

    def urls(self, service: str, port: str = PORT) -> list[str]:
        """Where the running containers of a service are published on this machine."""
        found = []
        for container in self.containers(service):
            # One that does not run, or has ended just now, is nowhere.
            with contextlib.suppress(StackError, IndexError):
                found.append(f"http://{docker('port', container.id, port).split()[0]}")
        return found


def looser(image: str) -> list[str]:
    """The names under which another version of an image may be here, the nearest first."""
    repository, _, tag = image.partition(":")
    version, dash, flavour = tag.partition("-")
    major = version.partition(".")[0]
    return [f"{repository}:{major}{dash}{flavour}", f"{repository}:latest"]


def _stand_ins() -> dict[str, str]:
    """By variable, images that are here in place of those that are not and cannot be had."""
    found = {}
    for variable, pinned in sorted(set(PINNED.findall((ROOT / "docker-compose.yml").read_text()))):
        if variable in os.environ or any(
            _succeeds("docker", *command, pinned) for command in (("image", "inspect"), ("pull",))
        ):
            continue
        here = [each for each in looser(pinned) if _succeeds("docker", "image", "inspect", each)]
        if here:
            print(f"{pinned} cannot be had: {here[0]} stands in.")
            found[variable] = here[0]
    return found


def docker(*arguments: str) -> str:
    """What a command of Docker prints; raise `StackError` with it if the command fails."""
    done = subprocess.run(
        ["docker", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StackError(f"docker {arguments[0]} failed: {done.stdout.strip()}")
    return done.stdout


def _container(found: dict[str, Any]) -> Container:
    state = found["State"]
    return Container(
        id=found["Id"],
        service=found["Config"]["Labels"]["com.docker.compose.service"],
        running=state["Running"],
        exit_code=state["ExitCode"],
        health=state["Health"]["Status"] if "Health" in state else None,
    )


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def sign_in_link(stack: Stack) -> str:
    """A link to the stack's console, which signs in once."""
    [console, *_] = [each for each in stack.containers("console") if each.running]
    # What else it may say comes before.
    return docker("exec", console.id, "python", "-m", "services.console", "link").split()[-1]


def _greet(stack: Stack, seconds: float) -> None:
    [catalog, *_], [notifier, *_] = stack.urls("catalog"), stack.urls("notifier")
    compose = " ".join(compose_command())
    command = f"{compose} exec catalog python -m services.catalog token"
    lines = [
        ("catalog", f"{catalog}  {catalog}/docs"),
        ("notifier", f"{notifier}  {notifier}/docs"),
        ("console", sign_in_link(stack)),
        ("emails", stack.urls("mailpit", "8025/tcp")[0]),
        ("broker", stack.urls("rabbitmq", "15672/tcp")[0]),
        ("", f"user operator, RABBITMQ_PASSWORD of {SETTINGS.name}"),
        ("token", f"{command} --subject me --scope catalog:write"),
    ]
    print(f"\nAll is healthy after {seconds:.0f} s.")
    for name, value in lines:
        print(f"{name:<10}{value}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Start, end or follow the stack of this checkout."""
    parser = argparse.ArgumentParser(prog="python -m tools.stack", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "logs"])
    command = parser.parse_args(arguments).command
    try:
        compose_command()
        # Compose reads the settings for every command, `down` included. The name lets a
        # plain `docker compose ps` speak of the same project.
        write_secrets(SETTINGS, COMPOSE_PROJECT_NAME="heliograph")
        stack = Stack("heliograph", SETTINGS)
        if command == "up":
            for name in ONE_PORT.keys() - names(SETTINGS):
                os.environ.setdefault(name, ONE_PORT[name])
            stack.build()
            _greet(stack, stack.up())
        elif command == "down":
            stack.down()
        else:
            stack.compose("logs", "--follow", "--tail=100")
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
