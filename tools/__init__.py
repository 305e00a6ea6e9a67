"""Programs for those who work on Heliograph, each run as ``python -m tools.<name>``."""
