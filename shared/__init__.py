"""The signal library: all that every Heliograph service speaks."""
