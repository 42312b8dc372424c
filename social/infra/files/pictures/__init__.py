"""Pictures from strangers: decoded and written anew by processes that can do nothing else."""
