"""What was done and what came of it, compared with the promises."""
