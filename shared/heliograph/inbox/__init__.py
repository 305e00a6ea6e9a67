"""The inbox: every event once per receiver, until its receiver is done with it."""
