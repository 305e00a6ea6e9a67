"""The notifier's REST API."""

from services.notifier.api import (
    bounces,
    confirm,
    notifications,
    people,
    preferences,
    requests,
    subscriptions,
    suppressions,
    unsubscribe,
)

routers = (
    subscriptions.router,
    requests.router,
    notifications.router,
    bounces.router,
    people.router,
    suppressions.router,
    confirm.router,
    unsubscribe.router,
    preferences.router,
)
