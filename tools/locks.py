"""The hashed locks under ``requirements/``, renewed or compared with their inputs.

Each ``NAME.in`` is written by hand and locked into ``NAME.txt``, together with the extras of
the library that its programs use, as ``shared/pyproject.toml`` names them. A lock is universal:
it serves every platform and every Python from 3.11. What the services need is resolved once, in
``run.txt``, which constrains the others, so that no image and no test meets another release than
``make run`` does.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ROOT / "requirements"
LIBRARY = Path("shared/pyproject.toml")
EXTRAS = ("service", "rabbitmq", "postgresql", "sqlite", "storage")
MORE_EXTRAS = dict.fromkeys(("dev", "browser", "bench"), ("testing",))
RESOLVED_FIRST = "run"
CONSTRAINED = ("catalog", "notifier", "console", "dev", "browser", "bench")
ALONE = ("uv",)
OLDEST_PYTHON = "3.11"


def compile_lock(name: str, folder: Path, *, upgrade: bool = False) -> None:
    """Lock ``NAME.in`` into ``NAME.txt``, both in ``folder``, which is beside ``shared``.

    Pins that a lock already holds stay, with their hashes, unless ``upgrade`` is set, so
    a lock that is up to date comes out unchanged whatever was released since.

    Raises:
        subprocess.CalledProcessError: the requirements cannot be resolved.
    """
    command = [
        *(sys.executable, "-m", "uv", "pip", "compile", f"{name}.in"),
        *("--output-file", f"{name}.txt"),
        *("--universal", "--generate-hashes", "--python-version", OLDEST_PYTHON),
        *("--no-emit-index-url", "--no-python-downloads", "--no-config", "--quiet"),
        *("--custom-compile-command", "make lock"),
    ]
    if name not in ALONE:
        extras = (*EXTRAS, *MORE_EXTRAS.get(name, ()))
        command += [str(".." / LIBRARY), *(f"--extra={each}" for each in extras)]
    if name in CONSTRAINED:
        command += ["--constraints", f"{RESOLVED_FIRST}.txt"]
    if upgrade:
        command.append("--upgrade")
    subprocess.run(command, cwd=folder, check=True, stdin=subprocess.DEVNULL)


def renew(*, upgrade: bool) -> None:
    """Write every lock anew, the constraining one first."""
    for name in (RESOLVED_FIRST, *CONSTRAINED, *ALONE):
        compile_lock(name, REQUIREMENTS, upgrade=upgrade)


def stale() -> list[str]:
    """Name the locks that no longer answer their inputs."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "requirements"
        shutil.copytree(REQUIREMENTS, folder)
        (folder.parent / LIBRARY.parent).mkdir()
        shutil.copy(ROOT / LIBRARY, folder.parent / LIBRARY)
        names = (RESOLVED_FIRST, *CONSTRAINED, *ALONE)
        for name in names:
            compile_lock(name, folder)
        return [
            f"{name}.txt"
            for name in names
            if (folder / f"{name}.txt").read_text() != (REQUIREMENTS / f"{name}.txt").read_text()
        ]


def main(arguments: list[str] | None = None) -> int:
    """Renew the locks, or with ``--check`` only say which are stale."""
    parser = argparse.ArgumentParser(prog="python -m tools.locks", description=__doc__)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="change nothing; fail if stale")
    choice.add_argument("--upgrade", action="store_true", help="take newer releases too")
    options = parser.parse_args(arguments)
    try:
        if not options.check:
            renew(upgrade=options.upgrade)
            return 0
        names = stale()
    except subprocess.CalledProcessError as failure:
        return failure.returncode
    if names:
        print(f"Stale: {', '.join(names)}. Run `make lock`.", file=sys.stderr)
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
