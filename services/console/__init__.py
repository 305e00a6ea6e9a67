"""The console: an event's way from its change to its effects, for a person to see."""
