"""The REST API of a service, on FastAPI; needs the extra `service`."""

from heliograph.extras import extra

with extra("service"):
    from heliograph.web.app import create_app, service_of
    from heliograph.web.asyncapi import asyncapi_router
    from heliograph.web.auth import OptionalCaller, requires
    from heliograph.web.inbox import FailingEvents, inbox_router
    from heliograph.web.outbox import outbox_router
    from heliograph.web.paging import PAGE, Limit
    from heliograph.web.programs import RunningPrograms, programs_router
    from heliograph.web.route import GuardedRoute, media_type

__all__ = [
    "PAGE",
    "FailingEvents",
    "GuardedRoute",
    "Limit",
    "OptionalCaller",
    "RunningPrograms",
    "asyncapi_router",
    "create_app",
    "inbox_router",
    "media_type",
    "outbox_router",
    "programs_router",
    "requires",
    "service_of",
]
