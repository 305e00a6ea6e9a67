"""The real servers that tests meet, each started when the first test asks for it."""


class Unavailable(Exception):
    """A server can neither be found nor started here; the message says what would help."""
