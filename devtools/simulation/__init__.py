"""A deterministic simulation: the way from a verb to a socket in one process, on a virtual clock, harmed by a seed."""
