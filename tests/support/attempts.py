"""`python -m support.attempts MODULE [[[word, …], {NAME: value}], …]`: begin a process so, and tell how each ends."""

import json
import os
import runpy
import sys

if __name__ == "__main__":
    module, attempts = sys.argv[1:]
    given = dict(os.environ)
    for words, settings in json.loads(attempts):
        sys.argv = [module, *words]
        os.environ.clear()
        os.environ.update(given | settings)
        try:
            runpy.run_module(module, run_name="__main__")
        except SystemExit as ended:
            print(ended.code)
