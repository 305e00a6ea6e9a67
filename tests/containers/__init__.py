"""The composed stack, driven from outside as a REST client and a queue consumer."""
