"""Helpers that tests of every folder share."""
