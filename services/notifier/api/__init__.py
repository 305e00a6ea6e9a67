"""The notifier's REST API."""

from services.notifier.api import bounces, notifications, preferences, subscriptions, unsubscribe

routers = (
    subscriptions.router,
    notifications.router,
    bounces.router,
    unsubscribe.router,
    preferences.router,
)
