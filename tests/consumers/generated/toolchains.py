"""What makes types and what compiles them: Node.js with the locked packages, Java with Jackson.

Node.js and Java are those of the machine. The packages of `package-lock.json` are installed
into the virtual environment.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NODE_FOLDER = Path(sys.prefix) / "consumers"
OLDEST_NODE = 18
OLDEST_JAVA = 16  # `instanceof` with a name
JARS = [
    Path("/usr/share/java") / f"jackson-{part}.jar" for part in ("annotations", "core", "databind")
]
MOST_WORDS = 4_000


class Missing(Exception):
    """A tool is not here; the message says what would help."""


class Failed(Exception):
    """A tool did not do what it was asked; the message has its last words."""


def node_modules() -> Path:
    """Return the folder of the locked packages, after installing them if need be.

    Raises:
        Missing: there is no Node.js, or the packages cannot be had.
    """
    found = _version("node", "--version")
    if found < OLDEST_NODE or not shutil.which("npm"):
        raise Missing(f"No Node.js {OLDEST_NODE} or newer with npm: install both.")
    installed = NODE_FOLDER / "node_modules"
    lock = HERE / "package-lock.json"
    # npm writes the second file last.
    if (
        not (installed / ".package-lock.json").exists()
        or (NODE_FOLDER / lock.name).read_bytes() != lock.read_bytes()
    ):
        NODE_FOLDER.mkdir(exist_ok=True)
        for name in ("package.json", lock.name):
            shutil.copy(HERE / name, NODE_FOLDER)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        try:
            run(command, NODE_FOLDER)
        except Failed as failure:
            raise Missing(f"The npm packages are not to be had: {failure}") from failure
    return installed


def jackson() -> str:
    """Return the class path of Jackson, for the machine's own Java.

    Raises:
        Missing: there is no compiler, or not every jar.
    """
    if _version("javac", "-version") < OLDEST_JAVA:
        raise Missing(f"No JDK {OLDEST_JAVA} or newer: install one.")
    if absent := [str(jar) for jar in JARS if not jar.exists()]:
        raise Missing(f"No {', '.join(absent)}: install libjackson2-databind-java.")
    return ":".join(str(jar) for jar in JARS)


def run(command: list[str], folder: Path, text: str = "") -> str:
    """Run a tool in a folder with `text` as its input, and return its output.

    Raises:
        Failed: it says so.
    """
    ended = subprocess.run(
        command, cwd=folder, check=False, capture_output=True, encoding="utf-8", input=text
    )
    if ended.returncode:
        words = f"{ended.stdout}{ended.stderr}".strip()
        raise Failed(f"{' '.join(command)}:\n{words[-MOST_WORDS:]}")
    return ended.stdout


def _version(program: str, option: str) -> int:
    if not shutil.which(program):
        return 0
    found = re.search(r"\d+", run([program, option], HERE))
    return int(found.group()) if found else 0
