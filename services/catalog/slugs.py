"""Slugs: names as they stand in links."""

import re
import unicodedata

SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"
LONGEST = 100


def slug_of(name: str) -> str:
    """Write a name as a slug, accents dropped; empty if nothing of it is a Latin letter or digit.

    The rule is Django's `slugify`.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return "-".join(re.findall(r"[a-z0-9]+", plain))[:LONGEST].rstrip("-")
