"""The bus: how events get from the relay to every receiver's queue."""
