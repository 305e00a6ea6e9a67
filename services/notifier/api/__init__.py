"""The notifier's REST API."""

from services.notifier.api import notifications, subscriptions, unsubscribe

routers = (subscriptions.router, notifications.router, unsubscribe.router)
