"""The signal library: all that every Heliograph service speaks."""

VERSION = "0.1.0"
