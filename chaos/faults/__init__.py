"""What breaks the system: kills, clocks, a broken network, mail servers that refuse."""
