"""A service, made of parts that start, work and stop together; needs the extra `service`."""

from heliograph.extras import extra

with extra("service"):
    from heliograph.service.announcing import AnnouncingService
    from heliograph.service.http_server import CannotListen, HttpServer, PortBusy, bind
    from heliograph.service.parts import Part, PartFailed, run_parts
    from heliograph.service.pruner import Prunable, Retention
    from heliograph.service.service import Role, Service
    from heliograph.service.serving import migrate, opened, patiently, run, serve
    from heliograph.service.shutdown import in_shutdown_order

__all__ = [
    "AnnouncingService",
    "CannotListen",
    "HttpServer",
    "Part",
    "PartFailed",
    "PortBusy",
    "Prunable",
    "Retention",
    "Role",
    "Service",
    "bind",
    "in_shutdown_order",
    "migrate",
    "opened",
    "patiently",
    "run",
    "run_parts",
    "serve",
]
