"""Secrets, which a variable gives as they are, or as the name of a file that holds them.

An environment shows in the listings of processes and containers; a file has rights of its own.
"""

from collections.abc import Mapping

from heliograph.errors import InvalidSetting

SUFFIX = "_FILE"
LARGEST_BYTES = 64 * 1024


def secret(name: str, environ: Mapping[str, str]) -> str | None:
    """What the variable says, or the file that it names with `_FILE` behind its own name, or None.

    A file is UTF-8 text of one line, with or without a line break behind it. Raises
    `InvalidSetting` that names the variable, and repeats neither value nor path, for somebody
    may have written the secret there.
    """
    path = environ.get(name + SUFFIX)
    if path is None:
        return environ.get(name)
    if name in environ:
        raise InvalidSetting(f"{name}, {name}{SUFFIX}: set one of the two")
    try:
        return _line(_read(path))
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
    except ValueError as error:
        reason = str(error)
    raise InvalidSetting(f"{name}{SUFFIX}: {reason}")


def _read(path: str) -> bytes:
    if not path:
        raise ValueError("must name a file")
    with open(path, "rb") as file:  # noqa: PTH123 - `Path("")` would be the directory
        content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise ValueError(f"the file has more than {LARGEST_BYTES} bytes")
    return content


def _line(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        # Its message would show some of the bytes.
        raise ValueError("the file is not UTF-8 text") from None
    if not text.strip():
        raise ValueError("the file is empty")
    if "\0" in text:
        raise ValueError("the file holds a NUL character")
    if len(text.splitlines()) > 1:
        raise ValueError("the file has more than one line")
    return text
