"""`python -m support.attempts MODULE [{NAME: value}, …]`: begin a process with each of these, and tell how it ends."""

import json
import os
import runpy
import sys

if __name__ == "__main__":
    module, attempts = sys.argv[1:]
    given = dict(os.environ)
    for settings in json.loads(attempts):
        os.environ.clear()
        os.environ.update(given | settings)
        try:
            runpy.run_module(module, run_name="__main__")
        except SystemExit as ended:
            print(ended.code)
