"""What Heliograph is measured against, each tuned as its own documentation advises."""
