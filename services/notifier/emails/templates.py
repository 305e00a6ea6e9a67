"""The templates of emails: how they look, and what is said the same to everybody."""

import re
from collections.abc import Mapping
from gettext import NullTranslations
from pathlib import Path
from typing import Any, cast

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    select_autoescape,
)
from jinja2.ext import InternationalizationExtension

_OURS = Path(__file__).parent.parent / "templates" / "emails"


class Templates:
    """Those in `replaced`, a directory, take the place of ours of the same name."""

    def __init__(self, texts: NullTranslations, replaced: Path | None = None) -> None:
        folders = [_OURS] if replaced is None else [replaced, _OURS]
        self._environment = Environment(
            loader=ChoiceLoader([FileSystemLoader(folder) for folder in folders]),
            autoescape=select_autoescape(["html.j2"]),
            extensions=[InternationalizationExtension],
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            auto_reload=False,
        )
        self._environment.policies["ext.i18n.trimmed"] = True
        cast("Any", self._environment).install_gettext_translations(texts, newstyle=True)

    def text(self, kind: str, context: Mapping[str, Any]) -> str:
        """The plain text, in which at most one line at a time is empty."""
        written = self._environment.get_template(f"{kind}.txt.j2").render(context)
        return re.sub(r"\n{3,}", "\n\n", written).strip("\n") + "\n"

    def html(self, kind: str, context: Mapping[str, Any]) -> str:
        """The HTML, in which no line is empty."""
        written = self._environment.get_template(f"{kind}.html.j2").render(context)
        return re.sub(r"\n\s*\n", "\n", written).strip("\n") + "\n"
