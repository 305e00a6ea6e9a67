"""Every service in one process, joined by one memory bus."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from typing import get_args

import httpx2

from heliograph import InvalidSetting
from heliograph.bus import Bus, bus_from_url
from heliograph.service import HttpServer, Part, Role, Service, bind, in_shutdown_order, patiently
from heliograph.settings import MEMORY_BUS, ServiceSettings, load, refuse_development_key
from services.catalog.service import Catalog
from services.catalog.settings import CatalogSettings
from services.console.peers import Peers
from services.console.service import Console
from services.console.settings import ConsoleSettings
from services.notifier.service import Notifier
from services.notifier.settings import NotifierSettings

ROLES: tuple[Role, ...] = get_args(Role)
SCOPES = ("catalog:read", "catalog:write", "catalog:admin", "notifier:admin", "console:admin")
WILDCARDS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised, not listened on


@dataclass(frozen=True)
class Embedded:
    """All services, migrated and listening, and what to run so that they work."""

    catalog: Catalog
    notifier: Notifier
    console: Console
    catalog_settings: CatalogSettings
    notifier_settings: NotifierSettings
    console_settings: ConsoleSettings
    servers: tuple[HttpServer, ...]
    catalog_url: str
    notifier_url: str

    @property
    def services(self) -> tuple[Service, ...]:
        return (self.catalog, self.notifier, self.console)

    @property
    def parts(self) -> list[Part]:
        """All that has to run, in the order in which it stops."""
        parts = [part for service in self.services for part in service.parts(ROLES)]
        return in_shutdown_order(self.servers, parts)

    def development_tokens(self) -> list[str]:
        """One token with every scope, or one for each secret key if they differ."""
        settings = (self.catalog_settings, self.notifier_settings, self.console_settings)
        keys = {
            each.secret_key: service.tokens
            for each, service in zip(settings, self.services, strict=True)
        }
        return [each.issue("developer", [*SCOPES]) for each in keys.values()]


@dataclass(frozen=True)
class Neighbour:
    """A service of this process, as the console asks it."""

    service: Service
    url: str

    @property
    def name(self) -> str:
        return self.service.name

    def bearer(self) -> str:
        """A token of this moment: the process may outlive any."""
        scopes = [f"{self.name}:read", f"{self.name}:admin"]
        return self.service.tokens.issue("console", scopes)


@asynccontextmanager
async def embedded(
    host: str,
    port: int,
    environ: Mapping[str, str],
    *,
    configured: Callable[..., None] = lambda *_settings: None,
) -> AsyncIterator[Embedded]:
    """Open all services: the catalog on `port`, the notifier and the console on those after it.

    `configured` is called with the settings of all services, before anything is done with them.
    Port 0 gives each any free one. Public URLs are by default where the services listen. The
    console asks the two others unless its settings name services. Raises `CannotListen` before
    anything else is done, then `InvalidSetting`.
    """
    async with AsyncExitStack() as stack:
        listeners = [
            stack.enter_context(closing(bind(host, port + number if port else 0)))
            for number in range(3)
        ]
        urls = [_url(host, listener.getsockname()[1]) for listener in listeners]
        catalog_settings = load(CatalogSettings, {"CATALOG_PUBLIC_URL": urls[0], **environ})
        notifier_settings = load(NotifierSettings, {"NOTIFIER_PUBLIC_URL": urls[1], **environ})
        console_settings = load(ConsoleSettings, {"CONSOLE_PUBLIC_URL": urls[2], **environ})
        all_settings = (catalog_settings, notifier_settings, console_settings)
        configured(*all_settings)
        for settings, listener in zip(all_settings, listeners, strict=True):
            refuse_development_key(settings, address=listener.getsockname()[0])
        buses = _buses(all_settings)
        for bus in set(buses):
            stack.push_async_callback(bus.close)
        catalog = Catalog(catalog_settings, buses[0])
        stack.push_async_callback(catalog.close)
        notifier = Notifier(notifier_settings, buses[1])
        stack.push_async_callback(notifier.close)
        neighbours = (Neighbour(catalog, urls[0]), Neighbour(notifier, urls[1]))
        peers = (
            Peers(console_settings.services)
            if console_settings.services
            # By a transport of their own: no proxy of the environment stands between them.
            else Peers(neighbours, httpx2.AsyncHTTPTransport())
        )
        console = Console(console_settings, buses[2], peers=peers)
        stack.push_async_callback(console.close)
        services = (catalog, notifier, console)
        for service in services:
            await patiently(service.migrate)
            await service.check()
        yield Embedded(
            catalog=catalog,
            notifier=notifier,
            console=console,
            catalog_settings=catalog_settings,
            notifier_settings=notifier_settings,
            console_settings=console_settings,
            servers=tuple(
                HttpServer(service.app(ROLES), listener, name=f"{service.name} http")
                for service, listener in zip(services, listeners, strict=True)
            ),
            catalog_url=urls[0],
            notifier_url=urls[1],
        )


def _url(host: str, port: int) -> str:
    address = WILDCARDS.get(host, host)
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def _buses(all_settings: Sequence[ServiceSettings]) -> list[Bus]:
    """One memory bus for all, or a broker's connections for each."""
    in_memory = [settings.bus_url == MEMORY_BUS for settings in all_settings]
    if any(in_memory) and not all(in_memory):
        names = ", ".join(f"{settings.prefix}BUS_URL" for settings in all_settings)
        raise InvalidSetting(
            f"{names}: some are memory:// and others are not, so that no event would arrive"
        )
    if all(in_memory):
        return [bus_from_url(MEMORY_BUS)] * len(all_settings)
    return [
        bus_from_url(settings.bus_url, name=f"heliograph {settings.prefix.strip('_').lower()}")
        for settings in all_settings
    ]
