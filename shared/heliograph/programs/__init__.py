"""Programs: which processes of a service are up, as each tells in the service's database."""

from heliograph.programs.programs import Process, Programs, Running
from heliograph.programs.table import program_table

__all__ = [
    "Process",
    "Programs",
    "Running",
    "program_table",
]
