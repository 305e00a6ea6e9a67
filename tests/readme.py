"""The README, as tests do what it says."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def block(name: str) -> str:
    """The code between the README's markers of that name."""
    found = re.search(rf"<!-- {name} -->\n```\w*\n(.*?)```\n<!-- /{name} -->", README, re.DOTALL)
    assert found, name
    return found[1]


def section(heading: str) -> str:
    """The Python code that stands between the README's heading of that text and the next."""
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", README, re.DOTALL | re.MULTILINE)
    assert found, heading
    [code] = re.findall(r"```python\n(.*?)```", found[1], re.DOTALL)
    return str(code)


def add_receiver(services: Path) -> None:
    """Write the README's receiver into a copy of the notifier."""
    receivers = services / "notifier/receivers.py"
    receivers.write_text(f"{receivers.read_text()}\n\n{block('receiver')}")
