"""Pictures of clients, decoded and encoded anew by processes that can do nothing else."""
