"""Logs, metrics, traces and the checks that report whether a process is healthy."""
