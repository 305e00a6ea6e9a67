"""All queries of the notifier."""
