"""What who only looks is shown of people."""


def masked_address(address: str) -> str:
    """An address by its first letter and its domain: `a…@example.org`."""
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}…{at}{domain}"


def masked_viewer(viewer: str) -> str:
    """A viewer by the first letter."""
    return f"{viewer[:1]}…"
