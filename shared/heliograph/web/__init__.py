"""What every service answers over HTTP, and how."""
