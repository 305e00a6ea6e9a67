"""Claims on the outbox: how several relays share it and each product keeps its order."""
