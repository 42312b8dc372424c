"""`python -m api`: the REST API."""

from api.app import main, prepare
from social.infra.process.process import run

if __name__ == "__main__":
    run(main, prepare)
