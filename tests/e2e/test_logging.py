"""What programs log, as their settings say."""

import signal
from pathlib import Path

import httpx2

from tests.programs import Program


def _logged(folder: Path, settings: dict[str, str]) -> list[str]:
    """The lines of the embedded program, that was asked for its products once."""
    program = Program(folder, "services", "--port", "0", settings=settings)
    try:
        url = program.wait_for(r"^catalog +(http\S+)$")
        program.wait_for(r"^token +(\S+)$")
        assert httpx2.get(f"{url}/v1/products").status_code == 200
        assert program.end(signal.SIGTERM) == 0
    finally:
        program.stop(signal.SIGKILL)
    return [line for line in program.log.read_text().splitlines() if "/v1/products" in line]


def test_a_program_logs_as_its_settings_say(tmp_path: Path) -> None:
    talkative = {"CATALOG_LOG_LEVEL": "error", "NOTIFIER_LOG_LEVEL": "INFO"}
    [line] = _logged(tmp_path, talkative | {"NOTIFIER_LOG_FORMAT": "text"})
    assert "[info" in line
    assert _logged(tmp_path, {"CATALOG_LOG_LEVEL": "warning"}) == []
