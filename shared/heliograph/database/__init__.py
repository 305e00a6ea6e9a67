"""The database: engines, sessions, the guard, and the one place that commits."""
