"""Who sends the emails that receivers asked for, and when."""
