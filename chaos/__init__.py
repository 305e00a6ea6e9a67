"""Faults on purpose, and the proof that nothing is lost and nothing happens twice.

`make chaos` runs our programs on a real PostgreSQL, RabbitMQ, SMTP server and image store,
lets clients change products, breaks whatever can break, and then compares what clients were
told, what the database holds, what was announced and what came of it. `docs/chaos.md`
describes it.
"""
