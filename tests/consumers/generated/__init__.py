"""Consumers in other languages: types that tools make from our documents, and what reads with them.

Each program takes lines of an event's type and its body, and answers each with its account
(`accounts.account`), put together from the fields of the generated types alone.
"""
