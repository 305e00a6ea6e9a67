"""Repositories: every query of the catalog, and the signals of every write."""
