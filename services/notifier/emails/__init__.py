"""What the emails say."""
