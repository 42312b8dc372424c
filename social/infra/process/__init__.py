"""How a process starts, reads its settings, admits work, reports its health and stops."""
