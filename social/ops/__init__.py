"""Tools of the operator: diagnosis, recounting, restoring, and people who show the system running."""
