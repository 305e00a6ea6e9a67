"""The command line of a service: the same commands for each."""
