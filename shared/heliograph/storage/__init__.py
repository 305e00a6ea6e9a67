"""Where files live: a directory, an S3 bucket, or memory in tests."""
