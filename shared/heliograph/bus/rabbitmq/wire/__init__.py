"""AMQP by hand: what is sent and read for each event, past the client library."""
