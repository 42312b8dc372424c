"""The packages of the programs in JavaScript that Plaza is compared with."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


class NoNode(Exception):
    """The reason why no program in JavaScript can run here."""


def install_node_packages() -> None:
    """Install what package-lock.json names, the programs' packages included, once; raises NoNode."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise NoNode("the programs in JavaScript need Node 20 or newer with npm, which are not on this machine")
    if subprocess.run(["make", "--silent", "node-modules"], cwd=ROOT, stdout=sys.stderr, check=False).returncode:
        raise NoNode("npm could not install their packages")
