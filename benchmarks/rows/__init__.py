"""What is measured: one module a row of the table in `RESULTS.md`."""
