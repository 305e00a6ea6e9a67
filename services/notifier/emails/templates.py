"""The templates of emails: how they look, and what is said the same to everybody."""

import re
from collections.abc import Mapping
from gettext import NullTranslations
from pathlib import Path
from typing import Any, cast

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from jinja2.ext import InternationalizationExtension

_OURS = Path(__file__).parent.parent / "templates" / "emails"


def environment(replaced: Path | None = None) -> Environment:
    """What the templates are read and rendered with; see `Templates` for `replaced`."""
    folders = [_OURS] if replaced is None else [replaced, _OURS]
    found = Environment(
        loader=FileSystemLoader(folders),
        # All but plain text, whatever somebody names a part of theirs.
        autoescape=select_autoescape((), ("txt.j2",), default=True),
        extensions=[InternationalizationExtension],
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    found.policies["ext.i18n.trimmed"] = True
    return found


class Templates:
    """Those in `replaced`, a directory, take the place of ours of the same name."""

    def __init__(self, texts: NullTranslations, replaced: Path | None = None) -> None:
        self._environment = environment(replaced)
        # Set by the extension, whose methods no types know.
        install = cast("Any", self._environment).install_gettext_translations
        install(texts, newstyle=True)

    def text(self, kind: str, context: Mapping[str, Any]) -> str:
        """The plain text, in which at most one line at a time is empty."""
        written = self._environment.get_template(f"{kind}.txt.j2").render(context)
        return re.sub(r"\n{3,}", "\n\n", written).strip("\n") + "\n"

    def html(self, kind: str, context: Mapping[str, Any]) -> str:
        """The HTML, in which no line is empty."""
        written = self._environment.get_template(f"{kind}.html.j2").render(context)
        return re.sub(r"\n\s*\n", "\n", written).strip("\n") + "\n"
