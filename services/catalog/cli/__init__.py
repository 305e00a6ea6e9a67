"""Commands that only the catalog has."""
