"""All that the console asks of its database."""
