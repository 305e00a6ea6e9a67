"""The notifier's REST API."""

from services.notifier.api import (
    bounces,
    confirm,
    notifications,
    preferences,
    requests,
    subscriptions,
    unsubscribe,
)

routers = (
    subscriptions.router,
    requests.router,
    notifications.router,
    bounces.router,
    confirm.router,
    unsubscribe.router,
    preferences.router,
)
