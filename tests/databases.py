"""Which databases a test meets: both, unless it says otherwise."""

import pytest

sqlite_suffices = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For a test whose subject comes before the database or after it, as an HTTP body that is refused
does. What is about a query, a transaction, a lock, an order, a type or a constraint meets both."""
