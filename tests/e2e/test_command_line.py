"""The command line as a shell meets it: one line for whatever stops it, and its exit code."""

import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.programs import STARTS_WITHIN, command, environment, eventually
from tests.servers.processes import answers, free_port

HEAD = "sku,name,price,currency\n"


def start(folder: Path, module: str, *words: str) -> "subprocess.Popen[str]":
    """Start a program whose output the test reads."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *words],
        cwd=folder,
        env=environment({}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("module", "words", "told"),
    [
        ("services", ["--port", "abc"], "'--port'"),
        ("services", ["--port", "99999"], "99999 is not a port"),
        ("services", ["--port", "65534"], "65536 is not a port"),
        ("services.catalog", ["serve", "--port", "abc"], "'--port'"),
        ("services.catalog", ["nonsense"], "'nonsense'"),
        ("services.catalog", ["import"], "'file'"),
        ("services.catalog", ["import", "missing.csv"], "'missing.csv' does not exist"),
        ("services.catalog", ["import", __file__], "name it .csv or .jsonl"),
        ("services.catalog", ["export", "products.txt"], "name it .csv or .jsonl"),
        ("services.catalog", ["revision", " "], "say what it changes"),
        ("services.catalog", ["inbox", "redrive"], "--all"),
        ("services.notifier", ["inbox", "show", "x"], "'id'"),
    ],
)
def test_a_wrong_use_is_one_line_and_exits_with_2(
    tmp_path: Path, module: str, words: list[str], told: str
) -> None:
    refused = command(tmp_path, module, *words)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert told.lower() in refused.stderr.lower()


@pytest.mark.parametrize(
    "module", ["services", "services.catalog", "services.notifier", "services.console"]
)
def test_without_its_packages_a_program_says_what_installs_them(
    tmp_path: Path, module: str
) -> None:
    # -S leaves site-packages out.
    refused = subprocess.run(
        [sys.executable, "-S", "-m", module, "migrate"],
        cwd=tmp_path,
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=STARTS_WITHIN,
        check=False,
    )
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "make run" in refused.stderr


def test_what_an_import_rejects_makes_it_exit_with_1(tmp_path: Path) -> None:
    assert command(tmp_path, "services.catalog", "migrate").returncode == 0
    prices = tmp_path / "p.csv"
    prices.write_text(HEAD + "A,x,1,EUR\nB,x,much,EUR\n")
    told = command(tmp_path, "services.catalog", "import", "p.csv")
    assert (told.returncode, told.stderr) == (1, "")
    assert told.stdout.startswith("1 created, 0 updated, 0 unchanged, 1 rejected\n")
    prices.write_text(HEAD + "A,x,1,EUR\n")
    assert command(tmp_path, "services.catalog", "import", "p.csv").returncode == 0
    for target, words in (("/dev/stdin", "import"), ("/dev/stdout", "export")):
        refused = command(tmp_path, "services.catalog", words, target)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    "words",
    [
        ["token", "--subject", "a", "--scope", "catalog:read"],
        ["inbox", "parked"],
        ["inbox", "status", "--json"],
        ["--help"],
    ],
)
def test_a_reader_that_has_gone_is_told_nothing(tmp_path: Path, words: list[str]) -> None:
    assert command(tmp_path, "services.catalog", "migrate").returncode == 0
    program = start(tmp_path, "services.catalog", *words)
    assert program.stdout is not None
    program.stdout.close()
    assert program.stderr is not None
    assert program.stderr.read() == ""
    assert program.wait(STARTS_WITHIN) == 1


def test_a_closed_output_is_no_trouble(tmp_path: Path) -> None:
    assert command(tmp_path, "services.catalog", "migrate").returncode == 0
    shell = f'"{sys.executable}" -m services.catalog inbox status <&- >&-'
    done = subprocess.run(
        ["sh", "-c", shell],
        cwd=tmp_path,
        env=environment({}),
        stderr=subprocess.PIPE,
        text=True,
        timeout=STARTS_WITHIN,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_import_that_is_interrupted_says_how_it_goes_on_and_does(tmp_path: Path) -> None:
    assert command(tmp_path, "services.catalog", "migrate").returncode == 0
    count = 20_000
    rows = (f"A-{number},x,{'much' if number == 100 else 1},EUR\n" for number in range(count))
    (tmp_path / "p.csv").write_text(HEAD + "".join(rows))
    database = sqlite3.connect(tmp_path / "var/catalog.db")

    def stored() -> int:
        return int(database.execute("SELECT count(*) FROM product").fetchone()[0])

    program = start(tmp_path, "services.catalog", "import", "p.csv")
    eventually("some are imported", lambda: stored() > 0, within=STARTS_WITHIN)
    program.send_signal(signal.SIGINT)
    told, error = program.communicate(timeout=STARTS_WITHIN)
    assert (told, error) == ("", "interrupted: run it again, and it goes on\n")
    assert program.returncode == 130
    assert 0 < stored() < count - 1
    again = command(tmp_path, "services.catalog", "import", "p.csv")
    assert again.stdout.startswith(f"{count - 1} created, 0 updated, 0 unchanged, 1 rejected\n")
    assert stored() == count - 1
    announced = database.execute("SELECT count(*), count(DISTINCT subject) FROM outbox").fetchone()
    assert announced == (2 * (count - 1), count - 1)
    [reject] = (tmp_path / "p.csv.rejects.jsonl").read_text().splitlines()
    assert json.loads(reject)["line"] == 102


def test_what_serves_goes_on_without_a_reader(tmp_path: Path) -> None:
    port = free_port()
    program = start(tmp_path, "services", "--port", str(port))
    assert program.stdout is not None
    program.stdout.close()
    try:
        eventually("it answers", lambda: answers(port), within=STARTS_WITHIN)
        live = f"http://127.0.0.1:{port}/health/live"
        # More often than the greeting, which fails, takes.
        assert [httpx2.get(live, timeout=30).status_code for _ in range(20)] == [200] * 20
        assert program.poll() is None
    finally:
        program.send_signal(signal.SIGTERM)
    assert program.stderr is not None
    assert "Traceback" not in program.stderr.read()
    assert program.wait(STARTS_WITHIN) == 0
