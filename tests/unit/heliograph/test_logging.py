import json
import subprocess
import sys

from heliograph.logging import masked

PROGRAM = """
import logging, structlog
from heliograph.logging import configure
configure()
structlog.stdlib.get_logger("ours").info("connected", url="amqp://shop:hush@mq/")
logging.getLogger("theirs").warning("lost %s", "postgresql://shop:hush@db/shop")
logging.getLogger("theirs").info("extra", extra={"rows": 3})
try:
    raise OSError("amqp://shop:hush@mq/ refused")
except OSError:
    structlog.stdlib.get_logger("ours").exception("failed")
logging.getLogger("theirs").debug("too fine")
"""


def test_every_line_is_json_and_holds_no_password() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    assert [line["event"] for line in lines] == [
        "connected",
        "lost postgresql://shop:***@db/shop",
        "extra",
        "failed",
    ]
    assert lines[0]["url"] == "amqp://shop:***@mq/"
    assert lines[0]["logger"] == "ours"
    assert lines[2]["rows"] == 3
    assert "OSError" in lines[3]["exception"]
    assert "hush" not in ran.stderr


def test_only_the_password_is_masked() -> None:
    assert (
        masked("from amqps://u:p@ss@mq:5671/v to s3://b")
        == "from amqps://u:***@mq:5671/v to s3://b"
    )
    assert masked("http://127.0.0.1:8000/a@b") == "http://127.0.0.1:8000/a@b"
