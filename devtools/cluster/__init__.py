"""The processes of production on one machine, without containers: nginx, each process several times, real servers."""
