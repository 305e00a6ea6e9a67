"""What `docker-compose.yml` lets each container do, know and use."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from heliograph.settings import load
from heliograph.tokens import Caller, Tokens
from services.console.settings import ConsoleSettings
from tools.stack import PINNED, SECRETS, looser

ROOT = Path(__file__).parents[3]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
SERVICES: dict[str, Any] = yaml.safe_load(COMPOSE)["services"]
MOST_CAPABILITIES = {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}

# Records what it is called with, and answers as `curl` would.
RECORDER = '#!/bin/sh\necho "$0" "$@" >>"$RECORDED"\ncat >/dev/null\nprintf 200\n'


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_may_do_and_use_little(name: str) -> None:
    service = SERVICES[name]
    assert service["init"]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert set(service.get("cap_add", [])) <= MOST_CAPABILITIES
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["pids_limit"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_of_others_has_a_version(name: str) -> None:
    image = SERVICES[name]["image"]
    if image.startswith("heliograph-"):
        return
    [(variable, pinned)] = PINNED.findall(image)
    assert image == f"${{{variable}:-{pinned}}}"
    version = pinned.partition(":")[2].lstrip("v").partition("-")[0]
    assert len([int(part) for part in version.split(".")]) >= 2


def test_a_container_knows_the_secrets_that_it_needs_and_no_other() -> None:
    def known(name: str) -> set[str]:
        text = str(SERVICES[name].get("environment", {}))
        return {each for each in SECRETS if "${" + each + ":?}" in text}

    database_and_bus = {
        service: {f"{service}_DATABASE_PASSWORD", f"{service}_BUS_PASSWORD"}
        for service in ("CATALOG", "NOTIFIER", "CONSOLE")
    }
    catalog, notifier, console = database_and_bus.values()
    assert {name: known(name) for name in SERVICES} == {
        "catalog-migrate": catalog,
        "catalog": catalog | {"CATALOG_SECRET_KEY", "CATALOG_S3_SECRET_KEY"},
        "catalog-relay": catalog,
        "catalog-worker": catalog | {"CATALOG_S3_SECRET_KEY"},
        "notifier-migrate": notifier,
        "notifier": notifier | {"NOTIFIER_SECRET_KEY"},
        "notifier-worker": notifier | {"NOTIFIER_S3_SECRET_KEY"},
        "catalog-console-token": {"CATALOG_SECRET_KEY"},
        "notifier-console-token": {"NOTIFIER_SECRET_KEY"},
        "console-migrate": console,
        "console": console | {"CONSOLE_SECRET_KEY"},
        "console-worker": console,
        "postgres": {
            "POSTGRES_PASSWORD",
            "CATALOG_DATABASE_PASSWORD",
            "NOTIFIER_DATABASE_PASSWORD",
            "CONSOLE_DATABASE_PASSWORD",
        },
        "rabbitmq": {
            "RABBITMQ_PASSWORD",
            "CATALOG_BUS_PASSWORD",
            "NOTIFIER_BUS_PASSWORD",
            "CONSOLE_BUS_PASSWORD",
        },
        "seaweedfs": {"S3_SECRET_KEY", "CATALOG_S3_SECRET_KEY", "NOTIFIER_S3_SECRET_KEY"},
        "bucket": {"S3_SECRET_KEY"},
        "mailpit": set(),
    }


@pytest.mark.parametrize(
    ("script", "programs"),
    [
        ("deploy/postgres/databases.sh", ["psql"]),
        ("deploy/rabbitmq/start", ["sed", "chown", "chmod", "docker-entrypoint.sh"]),
        ("deploy/seaweedfs/make-bucket", ["curl"]),
        ("deploy/seaweedfs/start", ["weed"]),
    ],
)
def test_no_program_is_called_with_a_secret(
    script: str, programs: list[str], tmp_path: Path
) -> None:
    for program in programs:
        (tmp_path / program).write_text(RECORDER)
        (tmp_path / program).chmod(0o755)
    recorded = tmp_path / "recorded"
    environment = {
        **{name: f"secret-{name}" for name in (*SECRETS, "AWS_SECRET_ACCESS_KEY")},
        "AWS_ACCESS_KEY_ID": "operator",
        "AWS_ENDPOINT_URL": "http://nowhere",
        "AWS_REGION": "us-east-1",
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "RECORDED": str(recorded),
    }
    # Where the containers have `tmpfs`.
    text = re.sub("/(run|tmp)/", f"{tmp_path}/", (ROOT / script).read_text())
    (tmp_path / "script").write_text(text)
    done = subprocess.run(
        ["sh", tmp_path / "script", "images"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert recorded.read_text()
    assert "secret-" not in recorded.read_text()


def test_the_console_asks_the_stacks_services_by_tokens_that_they_leave() -> None:
    told = SERVICES["console"]["environment"]["CONSOLE_SERVICES"]
    mounted = [each.split(":") for each in SERVICES["console"]["volumes"]]
    for address in load(ConsoleSettings, {"CONSOLE_SERVICES": told}).services:
        assert address.url == f"http://{address.name}:8000"
        assert address.name in SERVICES
        maker = SERVICES[f"{address.name}-console-token"]
        [volume] = [each.partition(":")[0] for each in maker["volumes"]]
        assert [volume, str(Path(str(address.token_file)).parent), "ro"] in mounted


@pytest.mark.parametrize("service", ["catalog", "notifier"])
def test_a_token_for_the_console_is_left_for_one_user_alone(service: str, tmp_path: Path) -> None:
    container = SERVICES[f"{service}-console-token"]
    [shell, option, script] = container["entrypoint"]
    key = "k" * 32
    for _ in range(2):
        done = subprocess.run(
            # Compose reads two dollars as one.
            [shell, option, script.replace("$$", "$").replace("/tokens", str(tmp_path))]
            + container["command"],
            env={
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "PYTHONPATH": f"{ROOT}:{ROOT / 'shared'}",
                f"{service.upper()}_SECRET_KEY": key,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    [left] = tmp_path.iterdir()
    assert left.name == "token"
    assert left.stat().st_mode & 0o777 == 0o600
    caller = Tokens(SecretStr(key), service).verify(left.read_text().strip())
    assert caller == Caller("console", frozenset({f"{service}:read", f"{service}:admin"}))


def test_the_names_of_other_versions_keep_their_flavour() -> None:
    assert looser("rabbitmq:4.1.4-management") == ["rabbitmq:4-management", "rabbitmq:latest"]
    assert looser("postgres:17.6") == ["postgres:17", "postgres:latest"]
