"""Text that clients send: types that refuse what a database, a header or a reader cannot take.

Used as `name: Annotated[str, Line(200)]`. Both refuse control characters, NUL and lone
surrogates, and give back NFC, so that equal words are equal strings.
"""

import base64
import re
import unicodedata
from dataclasses import dataclass

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

_CONTROLS = r"\u0000-\u001f\u007f-\u009f"
_CONTROLS_BUT_BREAKS = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f"
LINE = f"^[^{_CONTROLS}]*$"
"""A pattern of text without control characters, for contracts: pydantic's own engine matches it."""
TEXT = f"^[^{_CONTROLS_BUT_BREAKS}]*$"
"""As `LINE`, with line breaks and tabs."""

_CONTROL = re.compile(f"[{_CONTROLS}]")
_CONTROL_BUT_BREAK = re.compile(f"[{_CONTROLS_BUT_BREAKS}]")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of at most `max_length` characters, white space at its ends removed.

    What remains must not be empty unless `empty` is set.
    """

    max_length: int
    empty: bool = False

    def __get_pydantic_core_schema__(
        self, source: type, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            self._check, core_schema.str_schema(max_length=self.max_length, strict=True)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        any_ = f"[^{_CONTROLS}]*"
        pattern = any_ if self.empty else f"{any_}[^\\s{_CONTROLS}]{any_}"
        return handler(schema) | {"pattern": f"^{pattern}$"}

    def _check(self, value: str) -> str:
        value = _normalised(value, self.max_length)
        if _CONTROL.search(value):
            raise PydanticCustomError("control_characters", "Must be one line, without controls")
        value = value.strip()
        if not value and not self.empty:
            raise PydanticCustomError("blank", "Must not be blank")
        return value


@dataclass(frozen=True, slots=True)
class Text:
    """Text of at most `max_length` characters that may have line breaks and tabs.

    White space stays as it is, but every line break becomes a line feed.
    """

    max_length: int

    def __get_pydantic_core_schema__(
        self, source: type, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            self._check, core_schema.str_schema(max_length=self.max_length, strict=True)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(schema) | {"pattern": TEXT}

    def _check(self, value: str) -> str:
        value = _normalised(value, self.max_length).replace("\r\n", "\n").replace("\r", "\n")
        if _CONTROL_BUT_BREAK.search(value):
            raise PydanticCustomError("control_characters", "Must be text, without controls")
        return value


def _normalised(value: str, max_length: int) -> str:
    # A few characters grow when they are composed.
    value = unicodedata.normalize("NFC", value)
    if len(value) > max_length:
        raise PydanticCustomError(
            "string_too_long",
            "Must have at most {max_length} characters",
            {"max_length": max_length},
        )
    return value


def readable(data: bytes, *, whole: bool = True) -> str:
    """Data as text; base64 with the prefix `base64:` if it is not UTF-8.

    Where it is not `whole` a character may be cut at its end: what is left of that one is left out.
    """
    # At most three bytes of a character.
    for end in range(len(data), len(data) - (1 if whole else 4), -1):
        try:
            return data[:end].decode()
        except UnicodeDecodeError:
            continue
    return "base64:" + base64.b64encode(data).decode()


def printable(value: str, limit: int = 2000) -> str:
    """Make a text fit for the database and a terminal: no NUL, no surrogates, not endless."""
    clean = value.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
