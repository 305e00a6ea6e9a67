import json
import re
import subprocess
import sys

import pytest
from pydantic import BaseModel, ValidationError

from heliograph.logging import masked

PROGRAM = """
import logging, sys, structlog
from heliograph.logging import configure
configure(format=sys.argv[1])
structlog.stdlib.get_logger("ours").info("connected", url="amqp://shop:hush@mq/")
logging.getLogger("theirs").warning("lost %s", "postgresql://shop:hush@db/shop")
logging.getLogger("theirs").info("extra", extra={"rows": 3})
try:
    raise OSError("amqp://shop:hush@mq/ refused")
except OSError:
    structlog.stdlib.get_logger("ours").exception("failed")
structlog.stdlib.get_logger("ours").info("nested", failed={"bus": ["amqp://shop:hush@mq/"]})
logging.getLogger("theirs").debug("too fine")
structlog.stdlib.get_logger("ours").info("waited", seconds=float("nan"), of=[float("inf")])
def receive(password):
    raise ValueError("amqp://shop:hush@mq/ refused")
receive("hu" + "sh")
"""


class Price(BaseModel):
    amount: int


def _complaint() -> ValidationError:
    try:
        Price.model_validate({"amount": "hush"})
    except ValidationError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize("format", ["json", "auto"])
def test_every_line_is_json_and_holds_no_password(format: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, format], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    # No number of JSON is NaN, although Python reads it.
    lines = [json.loads(line, parse_constant=pytest.fail) for line in ran.stderr.splitlines()]
    assert [line["event"] for line in lines] == [
        "connected",
        "lost postgresql://shop:***@db/shop",
        "extra",
        "failed",
        "nested",
        "waited",
        "failed",
    ]
    assert lines[0]["url"] == "amqp://shop:***@mq/"
    assert lines[0]["logger"] == "ours"
    assert lines[2]["rows"] == 3
    assert "OSError" in lines[3]["exception"]
    assert lines[4]["failed"] == {"bus": ["amqp://shop:***@mq/"]}
    assert "ValueError" in lines[6]["exception"]
    assert "hush" not in ran.stderr
    assert (lines[5]["seconds"], lines[5]["of"], lines[5]["level"]) == ("nan", "[inf]", "info")


def test_as_text_no_line_holds_a_password_either() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, "text"], capture_output=True, text=True, check=False
    )
    assert "amqp://shop:***@mq/" in ran.stderr
    assert "postgresql://shop:***@db/shop" in ran.stderr
    assert "Traceback" in ran.stderr
    assert "hush" not in ran.stderr
    # Colours are for a terminal.
    assert "\x1b" not in ran.stderr
    assert not [line for line in ran.stderr.splitlines() if line.startswith("{")]


LEVELS = """
import logging, sys, structlog
from heliograph.logging import configure
configure(sys.argv[1], "text")
for level in ("debug", "info", "warning", "error"):
    getattr(structlog.stdlib.get_logger("ours"), level)(f"our {level}")
    getattr(logging.getLogger("uvicorn.error"), level)(f"their {level}")
"""


@pytest.mark.parametrize(
    ("level", "said"),
    [
        ("debug", "our debug, our info, our warning, their warning, our error, their error"),
        ("info", "our info, our warning, their warning, our error, their error"),
        ("warning", "our warning, their warning, our error, their error"),
        ("error", "our error, their error"),
    ],
)
def test_what_is_less_urgent_than_the_level_is_left_out(level: str, said: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LEVELS, level], capture_output=True, text=True, check=True
    )
    assert ", ".join(re.findall(r"(?:our|their) \w+", ran.stderr)) == said


CANCELLED = """
import asyncio, logging, threading, time
from heliograph.logging import configure
from heliograph.service import run
configure()
def answer():
    time.sleep(0.2)
    raise RuntimeError("Event loop is closed")
async def main():
    threading.Thread(target=answer).start()
    try:
        raise asyncio.CancelledError
    except asyncio.CancelledError:
        logging.getLogger("sqlalchemy.pool").error("Exception during reset", exc_info=True)
    raise KeyboardInterrupt
run(main(), interrupted="interrupted: run it again")
"""


def test_an_interruption_is_told_in_one_line() -> None:
    """Whatever SQLAlchemy says of it, and threads whose loop has ended."""
    ran = subprocess.run(
        [sys.executable, "-c", CANCELLED], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (130, "interrupted: run it again\n")


AWAY = """
import asyncio
from heliograph.bus import Topology
from heliograph.bus.rabbitmq import RabbitBus
from heliograph.logging import configure
configure()
async def main():
    bus = RabbitBus("amqp://127.0.0.1:1/")
    bus.expect(Topology())
    await asyncio.sleep(1)
    await bus.close()
asyncio.run(main())
"""


def test_a_broker_that_is_away_is_told_of_once_and_by_us() -> None:
    """Whichever comes first, what is logged or the bus and with it aiormq."""
    ran = subprocess.run([sys.executable, "-c", AWAY], capture_output=True, text=True, check=True)
    assert [json.loads(line)["logger"] for line in ran.stderr.splitlines()] == [
        "heliograph.bus.rabbitmq.keeper"
    ]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("postgresql://db/shop?user=ann&password=hush&ssl=1", "password=***&ssl=1"),
        (
            'duplicate key violates "x"\nDETAIL:  Key (email)=(hush@b.example) already exists.',
            'duplicate key violates "x"\nDETAIL: ***',
        ),
        (
            "null value\nDETAIL:  Failing row contains (hush\n\nhush).\n[SQL: INSERT $1]\n[SQL p",
            "null value\nDETAIL: ***\n[SQL: INSERT $1]\n[SQL p",
        ),
        (
            "x\nDETAIL:  Key (a)=(hush).\n\nThe above exception was the direct cause",
            "x\nDETAIL: ***\n\nThe above exception was the direct cause",
        ),
        ("  | x\n  | DETAIL:  (hush\n  | hush)\n  +------\nlater", "DETAIL: ***\n  +------\nlater"),
        ("invalid input for query argument $2: 'hush' (an integer is needed)", "argument $2: ***"),
        ('invalid input syntax for type integer: "hush"', "for type integer: ***"),
        (str(_complaint()), "input_value=***, input_type=str"),
        ("{'type': 'int', 'msg': 'No', 'input': 'hush'}", "'msg': 'No', 'input': ***"),
    ],
)
def test_what_a_database_or_pydantic_complains_of_is_masked(said: str, shown: str) -> None:
    assert shown in masked(said)
    assert "hush" not in masked(said)
    assert masked(masked(said)) == masked(said)


def test_only_the_password_is_masked() -> None:
    assert (
        masked("from amqps://u:p@ss@mq:5671/v to s3://b")
        == "from amqps://u:***@mq:5671/v to s3://b"
    )
    assert masked("http://127.0.0.1:8000/a@b") == "http://127.0.0.1:8000/a@b"
