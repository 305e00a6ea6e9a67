"""Text of machines and strangers, made fit to be shown."""

import json
import re

from services.console.masking import masked_text, masked_viewer
from services.console.repositories.sign_in import SignedIn
from services.console.visible import visible

_VIEWER = re.compile(r'("viewer": ")((?:[^"\\]|\\.)*)')


def seen_by(text: str, viewer: SignedIn | None) -> str:
    """Text as this viewer may see it: addresses are masked for who only looks, and for nobody."""
    return shown(text, acts=viewer is not None and viewer.acts)


def shown(text: str, *, acts: bool) -> str:
    """Text as all may see it who act, or who only look."""
    return visible(text if acts else masked_text(text))


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
