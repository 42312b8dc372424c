"""Types and import rules hold; as tests, the checks run beside other tests, which mostly wait."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECKS = {
    "types": [sys.executable, "-m", "mypy"],
    "import rules": [sys.executable, str(Path(sys.executable).with_name("lint-imports"))],
}


@pytest.mark.parametrize("check", CHECKS)
def test_checks_of_the_whole_code_find_nothing(check: str) -> None:
    done = subprocess.run(CHECKS[check], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
