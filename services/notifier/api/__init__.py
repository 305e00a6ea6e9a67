"""The notifier's REST API."""

from services.notifier.api import bounces, notifications, subscriptions, unsubscribe

routers = (subscriptions.router, notifications.router, bounces.router, unsubscribe.router)
