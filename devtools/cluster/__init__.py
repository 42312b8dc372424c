"""A cluster on one machine without containers: nginx, several of each process, and real servers."""
