"""What sends an email, wherever it goes."""
