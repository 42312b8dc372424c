"""Tools of the operator: diagnosis, recounting, restoring, and a demo that shows the system running."""
