"""Signals and their receivers, in the process and behind the bus."""
