"""`python -m workers`: the consumers."""

from social.infra.process.process import run
from workers.app import main, prepare

if __name__ == "__main__":
    run(main, prepare)
