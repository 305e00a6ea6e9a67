from pathlib import Path

from tools.stack import SECRETS, Container, names, write_secrets


def values(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line)


def test_a_new_file_holds_every_secret_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    write_secrets(tmp_path / ".env", PORT=8000)
    found = values(tmp_path / ".env")
    assert set(found) == {*SECRETS, "PORT"}
    assert len(set(found.values())) == len(found)
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


def test_what_a_file_sets_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# mine\nPOSTGRES_PASSWORD=mine\nPORT=1")
    write_secrets(path, PORT=2)
    written = path.read_text()
    assert written.startswith("# mine\nPOSTGRES_PASSWORD=mine\nPORT=1\n")
    write_secrets(path, PORT=3)
    assert path.read_text() == written
    assert names(path) == {*SECRETS, "PORT"}


def test_a_container_is_well_when_it_serves_or_has_done_its_one_thing() -> None:
    def container(health: str | None, *, running: bool = True, exit_code: int = 0) -> Container:
        return Container("id", "service", running, exit_code, health)

    assert container("healthy").well
    assert container(None, running=False).well
    assert not container("starting").well
    assert not container("unhealthy").well
    assert not container(None, running=False, exit_code=1).well
