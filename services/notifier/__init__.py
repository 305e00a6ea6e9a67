"""The notifier: reacts to the catalog with emails and purged images."""
