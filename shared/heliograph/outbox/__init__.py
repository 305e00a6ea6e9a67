"""The outbox: events written in the transaction that they are about, and relayed."""
