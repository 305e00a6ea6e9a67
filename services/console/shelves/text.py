"""Text of machines and strangers, made fit to be shown."""

import json
import re

from services.console.masking import masked_text, masked_viewer
from services.console.repositories.sign_in import SignedIn

# C0 has pictures of its own; the others, and what turns the direction of writing, have none.
_VISIBLE = (
    {code: 0x2400 + code for code in range(0x20) if code not in b"\n\t"}
    | {0x7F: 0x2421}
    | dict.fromkeys(
        (*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)), 0xFFFD
    )
)  # fmt: skip

_VIEWER = re.compile(r'("viewer": ")((?:[^"\\]|\\.)*)')


def visible(text: str) -> str:
    """Text whose control characters can be seen, and do nothing."""
    return text.translate(_VISIBLE)


def seen_by(text: str, viewer: SignedIn) -> str:
    """Text as this viewer may see it: addresses are masked for who only looks."""
    return visible(text if viewer.acts else masked_text(text))


def body_seen_by(body: str, viewer: SignedIn) -> str | None:
    """A body, JSON with each value on its own line; None if the viewer may not see it.

    Who only looks is not shown what is no JSON: nobody knows what stands in it.
    """
    try:
        shown = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return visible(body) if viewer.acts else None
    if not viewer.acts:
        shown = _VIEWER.sub(lambda found: found[1] + masked_viewer(found[2]), shown)
    return seen_by(shown, viewer)
