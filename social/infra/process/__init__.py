"""The start, admission control, health and stop of a process, and the `Plaza` object that each process has."""
