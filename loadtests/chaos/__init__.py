"""Chaos with seeds: a crowd on real processes, faults that a seed chooses, and an account of every write."""
