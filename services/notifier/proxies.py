"""Proxies: who really asks, when others ask for them."""

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from itertools import chain

Address = IPv4Address | IPv6Address


class Proxies:
    """The proxies in front of the service, whose word for the client's address is taken.

    They are written as addresses or networks, separated by commas. ValueError for anything else.
    """

    def __init__(self, written: str) -> None:
        self._networks = [_network(each.strip()) for each in written.split(",") if each.strip()]

    def client(self, peer: str | None, forwarded_for: Sequence[str]) -> str:
        """Who asks: an IPv4 address, or the network of 64 bits in which one of IPv6 is.

        `peer` is who is connected, `forwarded_for` the lines of X-Forwarded-For, to which each
        proxy adds at the right whom it asks for. What stands behind the first one that is not
        trusted may be made up. Whoever has an IPv6 address has a whole such network of them
        (RFC 6177), and is one client.
        """
        client = _address(peer or "")
        if client is None:
            return "unknown"
        hops = reversed([*chain.from_iterable(line.split(",") for line in forwarded_for)])
        while self._trusts(client) and (hop := _address(next(hops, ""))) is not None:
            client = hop
        if isinstance(client, IPv6Address):
            return str(IPv6Network((client, 64), strict=False))
        return str(client)

    def _trusts(self, address: Address) -> bool:
        return any(address in each for each in self._networks)


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            "must be addresses or networks of proxies, such as 10.0.0.7,192.168.0.0/16"
        ) from None


def _address(text: str) -> Address | None:
    """The address, which may have a port behind it; None if it is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
