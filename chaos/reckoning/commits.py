"""When the notifier had surely heard that a product is gone: the commit, not the statement.

A row says when it was written, which may be long before anybody else can read it. So a trigger of
our own writes down the moment just before the commit, by the database's clock.
"""

from chaos.faults import clocks

GONE = "SELECT product::text, at FROM chaos.gone"
"""Which products, and when."""

_WATCH = """
CREATE TABLE chaos.gone (product uuid PRIMARY KEY, at timestamptz NOT NULL);
CREATE FUNCTION chaos.note_gone() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO chaos.gone VALUES (NEW.id, clock_timestamp()) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER chaos_gone AFTER INSERT OR UPDATE ON product
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.gone)
    EXECUTE FUNCTION chaos.note_gone();
"""


async def watch(notifier_database: str) -> None:
    """Begin to write it down, in a database whose clock can be moved."""
    await clocks.execute(notifier_database, _WATCH)
