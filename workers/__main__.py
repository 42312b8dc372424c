"""`python -m workers`: consumers, relay and sweeper."""

from social.infra.process.process import run
from workers.app import main, prepare

if __name__ == "__main__":
    run(main, prepare)
