"""A service, made of parts that start, work and stop together."""
