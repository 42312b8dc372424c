"""`python -m embedded`, or `make run`: the whole system on this machine."""

from embedded.app import main, prepare
from social.infra.process.process import run

if __name__ == "__main__":
    run(main, prepare)
