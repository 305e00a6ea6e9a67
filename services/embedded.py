"""Every service in one process: the catalog and the notifier, joined by one memory bus."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from typing import get_args

from heliograph import InvalidSetting
from heliograph.bus import Bus, bus_from_url
from heliograph.service import HttpServer, Part, Role, Service, bind, in_shutdown_order, patiently
from heliograph.settings import MEMORY_BUS, load, refuse_development_key
from services.catalog.service import Catalog
from services.catalog.settings import CatalogSettings
from services.notifier.service import Notifier
from services.notifier.settings import NotifierSettings

ROLES: tuple[Role, ...] = get_args(Role)
SCOPES = ("catalog:read", "catalog:write", "catalog:admin", "notifier:admin")
WILDCARDS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised, not listened on


@dataclass(frozen=True)
class Embedded:
    """Both services, migrated and listening, and what to run so that they work."""

    catalog: Catalog
    notifier: Notifier
    catalog_settings: CatalogSettings
    notifier_settings: NotifierSettings
    servers: tuple[HttpServer, HttpServer]
    catalog_url: str
    notifier_url: str

    @property
    def services(self) -> tuple[Service, Service]:
        return (self.catalog, self.notifier)

    @property
    def parts(self) -> list[Part]:
        """All that has to run, in the order in which it stops."""
        parts = [part for service in self.services for part in service.parts(ROLES)]
        return in_shutdown_order(self.servers, parts)

    def development_tokens(self) -> list[str]:
        """One token with every scope, or one a service if their secret keys differ."""
        tokens = [service.tokens for service in self.services]
        if self.catalog_settings.secret_key == self.notifier_settings.secret_key:
            tokens = tokens[:1]
        return [each.issue("developer", [*SCOPES]) for each in tokens]


@asynccontextmanager
async def embedded(
    host: str,
    port: int,
    environ: Mapping[str, str],
    *,
    configured: Callable[..., None] = lambda *_settings: None,
) -> AsyncIterator[Embedded]:
    """Open both services: the catalog on `port`, the notifier on the one after it.

    `configured` is called with the settings of all services, before anything is done with them.
    Port 0 gives each any free one. Public URLs are by default where the services listen.
    Raises `CannotListen` before anything else is done, then `InvalidSetting`.
    """
    async with AsyncExitStack() as stack:
        listeners = [
            stack.enter_context(closing(bind(host, number)))
            for number in (port, port + 1 if port else 0)
        ]
        urls = [_url(host, listener.getsockname()[1]) for listener in listeners]
        catalog_settings = load(CatalogSettings, {"CATALOG_PUBLIC_URL": urls[0], **environ})
        notifier_settings = load(NotifierSettings, {"NOTIFIER_PUBLIC_URL": urls[1], **environ})
        configured(catalog_settings, notifier_settings)
        for settings, listener in zip(
            (catalog_settings, notifier_settings), listeners, strict=True
        ):
            refuse_development_key(settings, address=listener.getsockname()[0])
        buses = _buses(catalog_settings, notifier_settings)
        for bus in set(buses):
            stack.push_async_callback(bus.close)
        catalog = Catalog(catalog_settings, buses[0])
        stack.push_async_callback(catalog.close)
        notifier = Notifier(notifier_settings, buses[1])
        stack.push_async_callback(notifier.close)
        for service in (catalog, notifier):
            await patiently(service.migrate)
            await service.check()
        yield Embedded(
            catalog=catalog,
            notifier=notifier,
            catalog_settings=catalog_settings,
            notifier_settings=notifier_settings,
            servers=(
                HttpServer(catalog.app(ROLES), listeners[0], name="catalog http"),
                HttpServer(notifier.app(ROLES), listeners[1], name="notifier http"),
            ),
            catalog_url=urls[0],
            notifier_url=urls[1],
        )


def _url(host: str, port: int) -> str:
    address = WILDCARDS.get(host, host)
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def _buses(catalog: CatalogSettings, notifier: NotifierSettings) -> tuple[Bus, Bus]:
    """One memory bus for both, or a broker's connections for each."""
    first = bus_from_url(catalog.bus_url, name="heliograph catalog")
    in_memory = [settings.bus_url == MEMORY_BUS for settings in (catalog, notifier)]
    if all(in_memory):
        return first, first
    if any(in_memory):
        raise InvalidSetting(
            "CATALOG_BUS_URL, NOTIFIER_BUS_URL: one is memory:// and the other is not, "
            "so that no event would arrive"
        )
    return first, bus_from_url(notifier.bus_url, name="heliograph notifier")
