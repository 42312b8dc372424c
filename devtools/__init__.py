"""Tools for developers: production's processes on one machine, and the files that are generated from the code."""
